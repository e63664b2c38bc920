// Package environ turns a parsed request and what is known of its connection into one packed block, from which
// C builds the WSGI environ dictionary in a single crossing. Bytes in, bytes out: no I/O, and no allocation once
// a Packed has grown to the size of its requests.
//
// Every rule about trust lives here: which peer may speak of the original scheme and of CGI variables, what
// becomes of names with an underscore, how repeated fields are joined, what PATH_INFO is. They are Gunicorn's
// (HeaderPolicy and wsgi.create), except where doc comments say otherwise.
package environ
