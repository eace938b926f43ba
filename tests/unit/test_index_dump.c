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
		cr_expect_eq(index->stat.owners + index->places, 0,
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
	cr_expect_eq(index->places, 0);
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

/*
 * Owners 1 and 2; A under the root; B under A, which both hold.  Nobody
 * holds A: B alone keeps it known.
 */
enum {
	FAMILY = 204,
	FAMILY_OWNER_2 = 64,
	FAMILY_A_NAME = 100,
	FAMILY_B_PARENT = 112,
	FAMILY_B_NAME = 132,
	FAMILY_HOLDER_1 = 144,
	FAMILY_HOLDER_2 = 164,
	FAMILY_END = 184 /* before the checksum: room for what is too much */
};

static void
holder_write(struct writer *w, uint32_t owner)
{
	write_u32(w, owner);
	write_u64(w, 1);
	write_u64(w, 0);
}

static void
place_write(struct writer *w, uint32_t parent, uint32_t holders, uint64_t hash)
{
	write_u32(w, parent);
	write_u32(w, 1);
	write_u32(w, holders);
	write_u64(w, hash);
	write_u64(w, 100 + hash);
	write_u32(w, SHARED);
}

static size_t
family_write(uint8_t bytes[FAMILY], uint64_t length)
{
	struct writer w = writer_on(bytes, FAMILY);

	memset(bytes, 0, FAMILY);
	write_bytes(&w, DUMP_MAGIC, 8);
	write_u32(&w, DUMP_VERSION);
	write_u32(&w, 2);
	write_u64(&w, length);
	write_u64(&w, 2);
	write_u64(&w, 2);
	write_u64(&w, 2);
	for (uint32_t owner = 1; owner <= 2; owner++) {
		write_u64(&w, owner);
		write_u64(&w, 0);
	}
	place_write(&w, 0, 0, 1);
	place_write(&w, 1, 2, 2);
	holder_write(&w, 1);
	holder_write(&w, 2);
	return (size_t)(w.at - bytes);
}

/* The family with one byte changed and more bytes than the counts say. */
static int
family_load(size_t at, uint8_t value, size_t more)
{
	size_t n = FAMILY_END + more + DUMP_CHECKSUM;
	aibrix_index *index = new_index();
	uint8_t bytes[FAMILY];
	int err;

	cr_assert_leq(n, FAMILY);
	cr_assert_eq(family_write(bytes, n), FAMILY_END);
	bytes[at] = value;
	bytes_sum(bytes, n);
	err = aibrix_index_load(index, bytes, n);
	cr_expect_eq(aibrix__index_check(index), AIBRIX_OK);
	cr_expect_eq(index->stat.owners, err ? 0 : 2);
	aibrix_index_free(index);
	return err;
}

Test(index_dump, places_names_and_owners_that_contradict_others_are_refused)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
	} lie[] = {
		{"an owner twice", FAMILY_OWNER_2, 1},
		{"owners descend", FAMILY_OWNER_2, 0},
		{"a name twice", FAMILY_B_NAME, 101},
		{"nothing keeps A", FAMILY_B_PARENT, 0},
		{"a parent that comes later", FAMILY_B_PARENT, 2},
		{"a holder twice", FAMILY_HOLDER_2, 1},
		{"holders descend", FAMILY_HOLDER_1, 3},
		{"a holder that is no owner", FAMILY_HOLDER_2, 3},
	};

	cr_assert_eq(family_load(FAMILY_A_NAME, 101, 0), AIBRIX_OK);
	for (size_t i = 0; i < sizeof(lie) / sizeof(lie[0]); i++)
		cr_expect_eq(family_load(lie[i].at, lie[i].value, 0),
			     AIBRIX_E_PARSE, "%s", lie[i].what);
	cr_expect_eq(family_load(FAMILY_A_NAME, 101, 12), AIBRIX_E_PARSE,
		     "bytes that no count covers");
}

/* Both under the root, one hash. */
Test(index_dump, a_child_twice_is_refused)
{
	aibrix_index *index = new_index();
	uint8_t bytes[FAMILY];
	struct writer w;

	family_write(bytes, FAMILY_END + DUMP_CHECKSUM);
	w = writer_on(bytes + 80, FAMILY - 80);
	place_write(&w, 0, 1, 1);
	holder_write(&w, 1);
	place_write(&w, 0, 1, 2);
	holder_write(&w, 2);
	bytes_sum(bytes, FAMILY_END + DUMP_CHECKSUM);
	cr_assert_eq(
		aibrix_index_load(index, bytes, FAMILY_END + DUMP_CHECKSUM),
		AIBRIX_OK, "different children");
	aibrix_index_free(index);

	index = new_index();
	bytes[80 + 32 + 20 + 12] = 1;
	bytes_sum(bytes, FAMILY_END + DUMP_CHECKSUM);
	cr_expect_eq(
		aibrix_index_load(index, bytes, FAMILY_END + DUMP_CHECKSUM),
		AIBRIX_E_PARSE);
	aibrix_index_free(index);
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
		.size = sizeof(opts), .max_owners = 4, .budget_bytes = 20000};
	aibrix_index *index = NULL;
	uint8_t bytes[BYTES];

	memcpy(bytes, golden, sizeof(golden));
	bytes_sum(bytes, BYTES);
	cr_assert_eq(aibrix_index_new(&opts, &index), AIBRIX_OK);
	cr_expect_eq(aibrix_index_load(index, bytes, BYTES), AIBRIX_E_FULL);
	cr_expect_eq(index->stat.owners, 0);
	aibrix_index_free(index);
}
