#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/index.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/crc32c.h"
#include "index/dump.h"
#include "index/index_internal.h"

/*
 * One owner (3, groups 1 ignored), one block (hash 0x11, name 0x22), one
 * copy on the device.
 */
static const uint8_t golden[] = {
	'A',  'I',  'B',  'X',  'I', 'N', 'D', 'X', /* magic */
	1,    0,    0,    0,                        /* version */
	1,    0,    0,    0,                        /* owners */
	120,  0,    0,    0,    0,   0,   0,   0,   /* bytes */
	1,    0,    0,    0,    0,   0,   0,   0,   /* places */
	1,    0,    0,    0,    0,   0,   0,   0,   /* names */
	1,    0,    0,    0,    0,   0,   0,   0,   /* holders */
	3,    0,    0,    0,    0,   0,   0,   0,   /* owner 3 */
	2,    0,    0,    0,    0,   0,   0,   0,   /* ignores group 1 */
	0,    0,    0,    0,                        /* under the root */
	1,    0,    0,    0,    1,   0,   0,   0,   /* a name, a holder */
	0x11, 0,    0,    0,    0,   0,   0,   0,   /* content hash */
	0x22, 0,    0,    0,    0,   0,   0,   0,   /* name */
	0xff, 0xff, 0xff, 0xff,                     /* shared */
	3,    0,    0,    0,                        /* held by 3 */
	1,    0,    0,    0,    0,   0,   0,   0,   /* copies per tier */
	0,    0,    0,    0,    0,   0,   0,   0,
};

enum { BYTES = sizeof(golden) + DUMP_CHECKSUM };

static aibrix_index *
new_index(void)
{
	aibrix_index_opts opts = {.size = sizeof(opts), .max_owners = 4};
	aibrix_index *index = NULL;

	cr_assert_eq(aibrix_index_new(&opts, &index), AIBRIX_OK);
	return index;
}

static void
bytes_sum(uint8_t *bytes, size_t n)
{
	struct writer w = writer_on(bytes + n - DUMP_CHECKSUM, DUMP_CHECKSUM);

	write_u32(&w,
		  aibrix__crc32c(aibrix__cpu(), 0, bytes, n - DUMP_CHECKSUM));
}

/* The golden bytes with one changed, and the right checksum. */
static int
load_changed(size_t at, uint8_t value)
{
	aibrix_index *index = new_index();
	uint8_t bytes[BYTES];
	int err;

	memcpy(bytes, golden, sizeof(golden));
	bytes[at] = value;
	bytes_sum(bytes, BYTES);
	err = aibrix_index_load(index, bytes, BYTES);
	cr_expect_eq(aibrix__index_check(index), AIBRIX_OK);
	if (err)
		cr_expect_eq(index->stat.owners + index->places.live, 0,
			     "empty after a failure");
	aibrix_index_free(index);
	return err;
}

Test(index_dump, is_the_documented_bytes)
{
	static const uint64_t hash = 0x11, name = 0x22;
	aibrix_index_stored e = {
		.size = sizeof(e), .n = 1, .hashes = &hash, .names = &name};
	aibrix_index *index = new_index();
	uint8_t bytes[BYTES], want[BYTES];
	uint64_t n = 0;

	cr_assert_eq(aibrix_index_owner_add(index, 3), AIBRIX_OK);
	cr_assert_eq(aibrix_index_apply_stored(index, 3, &e), AIBRIX_OK);
	e.kind = AIBRIX_GROUP_OTHER;
	e.group = 1;
	cr_assert_eq(aibrix_index_apply_stored(index, 3, &e), AIBRIX_OK);
	memcpy(want, golden, sizeof(golden));
	bytes_sum(want, BYTES);

	cr_expect_eq(aibrix_index_dump(index, bytes, BYTES, &n), AIBRIX_OK);
	cr_expect_eq(n, BYTES);
	cr_expect_arr_eq(bytes, want, BYTES);
	aibrix_index_free(index);
}

Test(index_dump, too_little_space_reports_the_need)
{
	aibrix_index *index = new_index();
	uint8_t bytes[52] = {77};
	uint64_t n = 0;

	cr_expect_eq(aibrix_index_dump(index, bytes, 51, &n), AIBRIX_E_SPACE);
	cr_expect_eq(n, 52);
	cr_expect_eq(bytes[0], 77);
	cr_expect_eq(aibrix_index_dump(index, bytes, 52, &n), AIBRIX_OK);
	cr_expect_eq(aibrix_index_load(index, bytes, 52), AIBRIX_OK);
	aibrix_index_free(index);
}

Test(index_dump, a_loaded_index_goes_on)
{
	static const uint64_t hashes[] = {0x11, 0x12}, name = 0x22;
	aibrix_index *index = new_index();
	aibrix_index_reader *reader;
	uint8_t bytes[BYTES];
	aibrix_match out;
	uint32_t n = 0;

	memcpy(bytes, golden, sizeof(golden));
	bytes_sum(bytes, BYTES);
	cr_assert_eq(aibrix_index_load(index, bytes, BYTES), AIBRIX_OK);
	cr_assert_eq(aibrix_index_reader_new(index, &reader), AIBRIX_OK);

	cr_expect_eq(aibrix_index_lookup(reader, hashes, 2, &out, 1, &n), 0);
	cr_expect_eq(n, 1);
	cr_expect_eq(out.owner, 3);
	cr_expect_eq(out.held, 1);
	cr_expect_eq(aibrix_index_apply_removed(index, 3, &name, 1, 0, 1), 0);
	cr_expect_eq(index->stat.ignored, 1, "group marks are loaded");
	cr_expect_eq(aibrix_index_apply_removed(index, 3, &name, 1, 0, 0), 0);
	cr_expect_eq(index->places.live, 0);
	aibrix_index_reader_free(reader);
	aibrix_index_free(index);
}

Test(index_dump, loading_wants_no_owners)
{
	aibrix_index *index = new_index();

	cr_assert_eq(aibrix_index_owner_add(index, 0), AIBRIX_OK);
	cr_expect_eq(aibrix_index_load(index, golden, sizeof(golden)),
		     AIBRIX_E_STATE);
	cr_expect_eq(index->stat.owners, 1);
	aibrix_index_free(index);
}

Test(index_dump, every_truncation_is_refused)
{
	uint8_t bytes[BYTES];

	memcpy(bytes, golden, sizeof(golden));
	bytes_sum(bytes, BYTES);
	for (size_t n = 0; n < BYTES; n++) {
		aibrix_index *index = new_index();
		uint8_t *exact = malloc(n + !n);

		cr_assert_not_null(exact);
		memcpy(exact, bytes, n);
		cr_expect_eq(aibrix_index_load(index, exact, n), AIBRIX_E_PARSE,
			     "%zu", n);
		aibrix_index_free(index);
		free(exact);
	}
}

Test(index_dump, damage_is_found_by_the_checksum)
{
	aibrix_index *index = new_index();
	uint8_t bytes[BYTES];

	memcpy(bytes, golden, sizeof(golden));
	bytes_sum(bytes, BYTES);
	bytes[90] ^= 1;
	cr_expect_eq(aibrix_index_load(index, bytes, BYTES), AIBRIX_E_CORRUPT);
	aibrix_index_free(index);
}

Test(index_dump, lies_with_a_right_checksum_are_found_too)
{
	static const struct {
		size_t at;
		uint8_t value;
		int err;
	} lie[] = {
		{0, 'B', AIBRIX_E_PARSE},     /* magic */
		{8, 0, AIBRIX_E_PARSE},       /* version */
		{8, 2, AIBRIX_E_UNSUPPORTED}, /* version */
		{12, 2, AIBRIX_E_PARSE},      /* more owners */
		{24, 2, AIBRIX_E_PARSE},      /* more places */
		{31, 255, AIBRIX_E_PARSE},    /* far more places */
		{48, 4, AIBRIX_E_INVAL},      /* owner beyond the limit */
		{48, 2, AIBRIX_E_PARSE},      /* holder not registered */
		{52, 1, AIBRIX_E_PARSE},      /* spare */
		{64, 1, AIBRIX_E_PARSE},      /* its own parent */
		{64, 255, AIBRIX_E_PARSE},    /* no such parent */
		{68, 0, AIBRIX_E_PARSE},      /* a name left over */
		{72, 0, AIBRIX_E_PARSE},      /* nobody holds it */
		{72, 2, AIBRIX_E_PARSE},      /* more holders than owners */
		{95, 0, AIBRIX_E_PARSE},      /* private to nobody */
		{100, 0, AIBRIX_E_PARSE},     /* no copies */
	};

	cr_expect_eq(load_changed(76, 0x99), AIBRIX_OK, "another hash");
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++)
		cr_expect_eq(load_changed(lie[i].at, lie[i].value), lie[i].err,
			     "row %zu", i);
}

Test(index_dump, a_copy_count_at_its_end_refuses_the_event)
{
	static const uint64_t hash = 0x11, name = 0x22;
	aibrix_index_stored e = {
		.size = sizeof(e), .n = 1, .hashes = &hash, .names = &name};
	aibrix_index *index = new_index();
	uint8_t bytes[BYTES];

	memcpy(bytes, golden, sizeof(golden));
	memset(bytes + 100, 0xff, 4);
	bytes_sum(bytes, BYTES);
	cr_assert_eq(aibrix_index_load(index, bytes, BYTES), AIBRIX_OK);

	cr_expect_eq(aibrix_index_apply_stored(index, 3, &e), AIBRIX_E_FULL);
	cr_expect_eq(index->stat.refused, 1);
	aibrix_index_free(index);
}

Test(index_dump, loading_obeys_the_budget)
{
	aibrix_index_opts opts = {
		.size = sizeof(opts), .max_owners = 4, .budget_bytes = 60000};
	aibrix_index *index = NULL;
	uint8_t bytes[BYTES];

	memcpy(bytes, golden, sizeof(golden));
	bytes_sum(bytes, BYTES);
	cr_assert_eq(aibrix_index_new(&opts, &index), AIBRIX_OK);
	cr_expect_eq(aibrix_index_load(index, bytes, BYTES), AIBRIX_E_FULL);
	cr_expect_eq(index->stat.owners, 0);
	aibrix_index_free(index);
}
