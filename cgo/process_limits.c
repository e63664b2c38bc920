/* process_limits.c: resource limits under which Go's runtime cannot live. It finds out by
 * dying with a dump of itself, at its start or at any later thread, so they are looked at before. */
#include "process.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* What Go takes beside what the process has, in MiB, and what to do instead. Most of the address
 * space is reserved only: tables for a heap of any size, 8 MiB of stack a thread, glibc's arenas.
 * Measured: with less than 1,700 MiB, and less than 150 of data, some starts fail. */
static const struct limit {
	int resource;
	const char *name, *where, *instead;
	unsigned long need;
	int column; /* in /proc/self/statm */
} limits[] = {
	{RLIMIT_AS, "RLIMIT_AS", "ulimit -v, LimitAS=", "though it uses little of it: limit memory by a cgroup (MemoryMax=, docker run --memory) or by RLIMIT_DATA (ulimit -d, LimitDATA=) instead", 2048, 0},
	{RLIMIT_DATA, "RLIMIT_DATA", "ulimit -d, LimitDATA=", "with its threads' stacks: raise the limit, or limit memory by a cgroup (MemoryMax=, docker run --memory)", 256, 5},
};

/* used: what the process has of it, in MiB; 0 if /proc does not say. */
static unsigned long used(int column) {
	unsigned long pages[6] = {0};
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL) return 0;
	for (int i = 0; i <= column; i++)
		if (fscanf(f, "%lu", &pages[i]) != 1) break;
	fclose(f);
	return pages[column] * (unsigned long)sysconf(_SC_PAGESIZE) >> 20;
}

const char *process_lacks(void) {
	static char text[512];
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		const struct limit *l = &limits[i];
		struct rlimit now;
		if (getrlimit(l->resource, &now) != 0 || now.rlim_cur == RLIM_INFINITY) continue;
		unsigned long most = now.rlim_cur >> 20, has = used(l->column);
		if (most >= has + l->need) continue;
		snprintf(text, sizeof text, "%s is %lu MiB (%s), and the Go runtime needs %lu MiB beside the %lu in use, %s",
			l->name, most, l->where, l->need, has, l->instead);
		return text;
	}
	return NULL;
}
