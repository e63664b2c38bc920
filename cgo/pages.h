/* pages.h: what Go sees of pages.c, beside gosrv.h. */
#ifndef GOSRV_PAGES_H
#define GOSRV_PAGES_H
#include "gosrv.h"

/* gosrv_drop_pages: unmap the code and constants of the program and its libraries from this
 * process; what is used comes back from the files' pages in memory when it is touched.
 * thread:  t's
 * GIL:     taken inside
 * lends:   nothing
 * gives:   nothing
 * fails:   never; where the kernel does not tell which pages are the files', nothing is unmapped
 */
void gosrv_drop_pages(gosrv_thread *t);

#endif
