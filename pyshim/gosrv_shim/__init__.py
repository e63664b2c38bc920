"""The Python side of gosrv: runs in the zygote and, after a fork, in each worker."""
