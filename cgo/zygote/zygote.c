#include "process.h"

__attribute__((constructor)) static void gosrv_constructor(int argc, char **argv, char **envp) {
	libc_arguments(&argc, &argv, &envp);
	process_main(argc, argv);
}
