"""sys.exit at import, as a settings module does when an environment variable is missing."""
import sys

sys.exit("the settings are incomplete")
