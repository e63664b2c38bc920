#include "process.h"

/* glibc passes main's arguments to constructors. */
__attribute__((constructor)) static void gosrv_constructor(int argc, char **argv) {
	process_main(argc, argv);
}
