/*
 * Input: a dump.  Its length and checksum are put right first, since no
 * mutation finds those.
 * Property: it is refused and the index is empty, or it loads, the index is
 * consistent and usable, and dumps the same bytes.
 */

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/crc32c.h"
#include "index/dump.h"
#include "index/index_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
dump_repair(uint8_t *bytes, size_t n)
{
	struct writer length = writer_on(bytes + 16, 8);
	struct writer sum = writer_on(bytes + n - DUMP_CHECKSUM, 4);

	write_u64(&length, n);
	write_u32(&sum,
		  aibrix__crc32c(aibrix__cpu(), 0, bytes, n - DUMP_CHECKSUM));
}

static void
loaded_check(aibrix_index *index, const uint8_t *bytes, size_t n)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};
	uint8_t *again = malloc(n + !n);
	uint64_t n_again = 0;

	must(again != NULL);
	must(aibrix__index_check(index) == AIBRIX_OK);
	must(aibrix_index_dump(index, again, n, &n_again) == AIBRIX_OK);
	must(n_again == n && memcmp(again, bytes, n) == 0);
	for (uint32_t i = 0; i < 16; i++) {
		int err = aibrix_index_owner_remove(index, i);

		must(err == AIBRIX_OK || err == AIBRIX_E_NOT_FOUND);
	}
	must(aibrix__index_check(index) == AIBRIX_OK);
	must(aibrix_index_stats(index, &stat) == AIBRIX_OK);
	must(!stat.places && !stat.held && !stat.owners);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	aibrix_index_opts opts = {.size = sizeof(opts), .max_owners = 16};
	aibrix_index_stat stat = {.size = sizeof(stat)};
	aibrix_index *index;
	uint8_t *bytes = malloc(len + !len);

	must(bytes != NULL);
	if (len)
		memcpy(bytes, data, len);
	if (len >= DUMP_HEADER + DUMP_CHECKSUM)
		dump_repair(bytes, len);
	must(aibrix_index_new(&opts, &index) == AIBRIX_OK);
	if (aibrix_index_load(index, bytes, len) == AIBRIX_OK) {
		loaded_check(index, bytes, len);
	} else {
		must(aibrix_index_stats(index, &stat) == AIBRIX_OK);
		must(!stat.places && !stat.held && !stat.owners);
		must(aibrix__index_check(index) == AIBRIX_OK);
	}
	aibrix_index_free(index);
	free(bytes);
	return 0;
}
