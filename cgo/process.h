/* process.h: what cgo/zygote's constructor and the c-shared route need of this package. */
#ifndef GOSRV_PROCESS_H
#define GOSRV_PROCESS_H

/* process_main: run as zygote if the environment says so (see cmd/gosrv/DESIGN.md).
 * Returns in the master at once, in a worker when its application is imported; never in
 * the zygote. argv is the process's argument area, used for titles. */
void process_main(int argc, char **argv);

/* process_title: overwrite the argument area; the master left room for it. */
void process_title(const char *text);

/* process_enter_worker: from here on this process is the worker behind fd. */
void process_enter_worker(int fd);

#endif
