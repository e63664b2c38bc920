from django import forms


class SendPaper(forms.Form):
    note = forms.CharField(max_length=200, required=False)
    paper = forms.FileField()
