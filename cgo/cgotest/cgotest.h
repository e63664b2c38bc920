#ifndef GOSRV_CGOTEST_H
#define GOSRV_CGOTEST_H
#include <stddef.h>
#include <stdint.h>

const char *test_missing_symbol(const char *path);
const char *test_start(const char *library, const char *python);
int test_run(const char *code);
void *test_object(int references, uint32_t *counted);
int64_t test_piece(char *buf, uint64_t cap);
uint64_t test_refs_taken(void);
uint64_t test_refs_dropped(void);
const char *test_batch_leaves(void);
const char *test_batch_to_nobody(void);
const char *test_batch_flush(void);
const char *test_batches_in_order(void);
const char *test_batch_wakes(void);

/* test_litmus: one shape of memory order, by number; NULL: there is none of that number. seen: how often
 * its forbidden outcome came. weak: with weaker orders than transmit.c's. */
const char *test_litmus(int number, int weak, int64_t *seen);
int test_chunk_line(uint64_t n, char *out);
void test_result_layout(size_t *offsets);
void test_request_layout(size_t *offsets);
int test_leaf_rule(void);

#endif
