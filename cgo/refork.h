/* refork.h: what Go sees of refork.c, beside gosrv.h. */
#ifndef GOSRV_REFORK_H
#define GOSRV_REFORK_H
#include "gosrv.h"

/* gosrv_refork: fork a process that loads library and is a zygote, for a master behind control.
 * thread:  main
 * GIL:     taken inside
 * lends:   control, library: descriptors, until return
 * gives:   nothing
 * fails:   -errno of the fork; what the child fails at it tells the master
 */
int gosrv_refork(gosrv_thread *t, int control, int library);

#endif
