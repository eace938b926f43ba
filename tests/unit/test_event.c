#include <stdlib.h>

#include <criterion/criterion.h>

#include "event_tools.h"

static aibrix_hash *hash;
static aibrix_event_decoder *decoder;

static void
start(void)
{
	hash = new_hash(4);
	decoder = new_decoder(hash, 0);
}

static void
stop(void)
{
	aibrix_event_free(decoder);
	aibrix_hash_free(hash);
}

TestSuite(event, .init = start, .fini = stop);

static int
status_of_opts(const aibrix_event_opts *opts)
{
	aibrix_event_decoder *d = NULL;
	int err = aibrix_event_new(opts, &d);

	aibrix_event_free(d);
	return err;
}

Test(event, wrong_options_are_refused)
{
	const aibrix_event_opts good = {.size = sizeof(good), .hash = hash};
	aibrix_event_opts o = good;

	cr_expect_eq(aibrix_event_new(&good, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(status_of_opts(NULL), AIBRIX_E_INVAL);
	o.hash = NULL;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_INVAL);
	o.engine_block_tokens = 4;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_INVAL);
	o.flags = AIBRIX_EVENT_NO_HASHES;
	cr_expect_eq(status_of_opts(&o), AIBRIX_OK);
	o = good;
	o.flags = 4;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_ABI);
	o = good;
	o.size = 8;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_INVAL);
	o = good;
	o.engine_block_tokens = 6;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_INVAL);
	o.engine_block_tokens = 4 * 256;
	cr_expect_eq(status_of_opts(&o), AIBRIX_OK);
	o.engine_block_tokens = 4 * 257;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_INVAL);
	o = good;
	o.max_bytes = ((uint64_t)1 << 30) + 1;
	cr_expect_eq(status_of_opts(&o), AIBRIX_E_INVAL);
	aibrix_event_free(NULL);
}

struct head_case {
	const char *name, *hex;
	int status;
	double time_s;
};

static const struct head_case heads[] = {
	{"float64", "92cb400400000000000090", AIBRIX_OK, 2.5},
	{"float32", "92ca4020000090", AIBRIX_OK, 2.5},
	{"integer", "920790", AIBRIX_OK, 7},
	{"below zero", "92d0f990", AIBRIX_OK, -7},
	{"nil rank", "930790c0", AIBRIX_OK, 7},
	{"more elements", "950790c08101c2a178", AIBRIX_OK, 7},
	{"as array 32", "dd0000000207dd00000000", AIBRIX_OK, 7},
	{"nothing", "", AIBRIX_E_PARSE, 0},
	{"one element", "9107", AIBRIX_E_PARSE, 0},
	{"a map", "820790", AIBRIX_E_PARSE, 0},
	{"time is a text", "92a13190", AIBRIX_E_PARSE, 0},
	{"time is nil", "92c090", AIBRIX_E_PARSE, 0},
	{"no events", "9207", AIBRIX_E_PARSE, 0},
	{"events are nil", "9207c0", AIBRIX_E_PARSE, 0},
	{"events are a map", "920780", AIBRIX_E_PARSE, 0},
	{"more events than bytes", "9207dd7fffffff", AIBRIX_E_PARSE, 0},
	{"the unused byte", "c1", AIBRIX_E_PARSE, 0},
};

Test(event, heads_of_batches)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		aibrix_event_batch batch = {.size = sizeof(batch)};
		struct wire w = wire_of_hex(heads[i].hex);
		uint64_t bad = stat_of(decoder).bad_batches;

		cr_expect_eq(aibrix_event_open(decoder, w.bytes, w.n, &batch),
			     heads[i].status, "%s", heads[i].name);
		cr_expect_eq(batch.time_s, heads[i].time_s, "%s",
			     heads[i].name);
		cr_expect_eq(stat_of(decoder).bad_batches - bad,
			     heads[i].status != AIBRIX_OK, "%s", heads[i].name);
	}
}

Test(event, limits_of_a_batch_hold_before_it_is_read)
{
	const aibrix_event_opts opts = {.size = sizeof(opts),
					.hash = hash,
					.max_events = 2,
					.max_bytes = 10};
	aibrix_event_decoder *d = NULL;
	struct wire w;

	cr_assert_eq(aibrix_event_new(&opts, &d), AIBRIX_OK);
	wire_batch(&w, 2);
	wire_nil(&w);
	wire_nil(&w);
	cr_expect_eq(aibrix_event_open(d, w.bytes, w.n, NULL), AIBRIX_OK);
	wire_batch(&w, 3);
	wire_bytes(&w, "\xc0\xc0\xc0", 3);
	cr_expect_eq(aibrix_event_open(d, w.bytes, w.n, NULL), AIBRIX_E_PARSE);
	wire_batch(&w, 2);
	wire_bytes(&w, "\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0", 8);
	cr_expect_eq(aibrix_event_open(d, w.bytes, w.n, NULL), AIBRIX_E_PARSE);
	aibrix_event_free(d);
}

Test(event, wrong_calls_are_refused)
{
	aibrix_event_batch small = {.size = 4};
	struct wire w;
	aibrix_event e;
	uint32_t rank;

	wire_batch(&w, 0);
	cr_expect_eq(aibrix_event_open(NULL, w.bytes, w.n, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_open(decoder, NULL, 1, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_open(decoder, NULL, 0, NULL), AIBRIX_E_PARSE);
	cr_expect_eq(aibrix_event_open(decoder, w.bytes, w.n, &small),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_STATE);
	cr_expect_eq(aibrix_event_next(NULL, &e), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_next(decoder, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_stats(NULL, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_rank(w.bytes, w.n, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_rank(NULL, 1, &rank), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_rank(NULL, 0, &rank), AIBRIX_E_PARSE);
}

Test(event, after_the_last_event_there_is_no_batch)
{
	struct wire w;
	aibrix_event e;

	wire_batch(&w, 0);
	cr_assert_eq(first_status(decoder, &w), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_STATE);
}

struct rank_case {
	const char *hex;
	int status;
	uint32_t rank, bad;
};

static const struct rank_case ranks[] = {
	{"920790", AIBRIX_E_NOT_FOUND, 9, 0},
	{"930790c0", AIBRIX_E_NOT_FOUND, 9, 0},
	{"93079003", AIBRIX_OK, 3, 0},
	{"930790ceffffffff", AIBRIX_OK, UINT32_MAX, 0},
	{"9307919401a1780203d20000000405", AIBRIX_OK, 4, 0},
	{"930790cf0000000100000000", AIBRIX_E_PARSE, 9, 1},
	{"930790ff", AIBRIX_E_PARSE, 9, 1},
	{"930790a133", AIBRIX_E_PARSE, 9, 1},
	{"930790", AIBRIX_E_PARSE, 9, 1},
};

Test(event, a_rank_is_a_number_below_2_to_the_32_or_absent)
{
	for (size_t i = 0; i < sizeof(ranks) / sizeof(*ranks); i++) {
		struct wire w = wire_of_hex(ranks[i].hex);
		uint64_t bad = stat_of(decoder).bad_ranks;
		uint32_t rank = 9;
		aibrix_event e;

		cr_expect_eq(aibrix_event_rank(w.bytes, w.n, &rank),
			     ranks[i].status, "%s", ranks[i].hex);
		cr_expect_eq(rank, ranks[i].rank, "%s", ranks[i].hex);
		cr_assert_eq(aibrix_event_open(decoder, w.bytes, w.n, NULL),
			     AIBRIX_OK);
		while (aibrix_event_next(decoder, &e) != AIBRIX_E_NOT_FOUND)
			;
		cr_expect_eq(stat_of(decoder).bad_ranks - bad, ranks[i].bad,
			     "%s", ranks[i].hex);
	}
}

Test(event, a_malformed_event_costs_itself)
{
	aibrix_event e;
	struct wire w;

	wire_batch(&w, 4);
	wire_hex(&w, "93ac426c6f636b52656d6f76656491c281a16101");
	wire_stored(&w, 5, 1, 1, 1, 4);
	wire_hex(&w, "92a44e6f706501");
	wire_hex(&w, "91b0416c6c426c6f636b73436c6561726564");
	cr_assert_eq(first_status(decoder, &w), AIBRIX_E_PARSE);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_OK);
	cr_expect_eq(e.type, AIBRIX_EVENT_STORED);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_E_UNSUPPORTED);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_OK);
	cr_expect_eq(e.type, AIBRIX_EVENT_CLEARED);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(decoder).stored, 1);
	cr_expect_eq(stat_of(decoder).stored_blocks, 1);
	cr_expect_eq(stat_of(decoder).cleared, 1);
	cr_expect_eq(stat_of(decoder).malformed, 1);
}

Test(event, broken_framing_costs_the_rest_of_the_batch)
{
	aibrix_event e;
	struct wire w;

	wire_batch(&w, 3);
	wire_hex(&w, "91b0416c6c426c6f636b73436c6561726564");
	wire_hex(&w, "92ac426c6f636b52656d6f766564c1");
	wire_hex(&w, "91b0416c6c426c6f636b73436c6561726564");
	cr_assert_eq(first_status(decoder, &w), AIBRIX_OK);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_E_PARSE);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_E_NOT_FOUND);
	cr_expect_eq(stat_of(decoder).broken_batches, 1);
	cr_expect_eq(stat_of(decoder).lost, 2);
	cr_expect_eq(stat_of(decoder).malformed, 0);
}

/* A batch with something of everything. */
static struct wire
rich_batch(void)
{
	struct wire w;

	wire_batch(&w, 4);
	wire_stored(&w, 12, 300, 2, 65532, 4);
	wire_uint(&w, 7);
	wire_text(&w, "GPU");
	wire_text(&w, "adapter");
	wire_hex(&w, "9292a761646170746572"
		     "92a5696d616765fdc0");
	wire_uint(&w, 0);
	wire_text(&w, "full_attention");
	wire_nil(&w);
	wire_hex(&w, "93ac426c6f636b52656d6f76656491c4020102a3435055");
	wire_hex(&w, "81a474797065b0416c6c426c6f636b73436c6561726564");
	wire_hex(&w, "92a44e6f706581a16193c3d9023132ca3f800000");
	return w;
}

/* From a heap block of the exact size, so that a sanitizer sees every byte
 * too far. */
static uint32_t
events_of(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n + !n);
	uint32_t events = 0;
	aibrix_event e;
	int err;

	cr_assert_not_null(exact);
	memcpy(exact, bytes, n);
	err = aibrix_event_open(decoder, exact, n, NULL);
	while (!err || err == AIBRIX_E_UNSUPPORTED ||
	       (err == AIBRIX_E_PARSE && events < 100)) {
		err = aibrix_event_next(decoder, &e);
		if (err == AIBRIX_E_STATE)
			break;
		events += !err;
	}
	free(exact);
	return events;
}

Test(event, a_batch_may_end_at_any_byte)
{
	struct wire w = rich_batch();
	uint32_t last = 0;

	cr_assert_eq(events_of(w.bytes, w.n), 3);
	for (size_t n = 0; n < w.n; n++) {
		uint32_t events = events_of(w.bytes, n);

		cr_assert(events >= last, "at %zu", n);
		last = events;
	}
	cr_expect_eq(last, 3);
}

Test(event, any_byte_may_be_any_other)
{
	struct wire w = rich_batch();

	for (size_t i = 0; i < w.n; i++)
		for (uint32_t x = 0; x < 256; x++) {
			struct wire v = w;

			v.bytes[i] = (uint8_t)x;
			cr_assert_leq(events_of(v.bytes, v.n), 4);
		}
}

/* Nesting is counted, not remembered. */
Test(event, nesting_of_any_depth_is_skipped)
{
	enum { DEPTH = 1 << 20 };
	struct wire w;
	uint8_t *bytes = malloc(DEPTH + 256);
	aibrix_event e;
	size_t n;

	cr_assert_not_null(bytes);
	wire_batch(&w, 2);
	wire_map(&w, 3);
	wire_text(&w, "type");
	wire_text(&w, "BlockRemoved");
	wire_text(&w, "block_hashes");
	wire_range(&w, 1, 1);
	wire_text(&w, "bomb");
	memcpy(bytes, w.bytes, w.n);
	n = w.n;
	memset(bytes + n, 0x91, DEPTH);
	n += DEPTH;
	bytes[n++] = 0xc0;
	w.n = 0;
	wire_hex(&w, "91b0416c6c426c6f636b73436c6561726564");
	memcpy(bytes + n, w.bytes, w.n);
	n += w.n;
	cr_assert_eq(aibrix_event_open(decoder, bytes, n, NULL), AIBRIX_OK);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_OK);
	cr_expect_eq(e.type, AIBRIX_EVENT_REMOVED);
	cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_OK);
	cr_expect_eq(e.type, AIBRIX_EVENT_CLEARED);
	free(bytes);
}

static const char *const huge[] = {
	"92ac426c6f636b52656d6f766564ddffffffff",
	"92ac426c6f636b52656d6f766564dfffffffff",
	"92ac426c6f636b52656d6f766564c6ffffffff",
	"92ac426c6f636b52656d6f76656491dbffffffff",
	"ddffffffff",
	"dfffffffff",
	"95ab426c6f636b53746f7265649101c0ddffffffff",
};

Test(event, a_count_beyond_the_bytes_breaks_the_framing)
{
	for (size_t i = 0; i < sizeof(huge) / sizeof(*huge); i++) {
		struct wire w;

		wire_batch(&w, 1);
		wire_hex(&w, huge[i]);
		cr_expect_eq(first_status(decoder, &w), AIBRIX_E_PARSE, "%s",
			     huge[i]);
		cr_expect_eq(stat_of(decoder).broken_batches, i + 1);
	}
}

/* n hashes of one byte each. */
static int
status_of_hashes(uint32_t n)
{
	uint8_t *bytes = calloc(1, (size_t)n + 64);
	aibrix_event e;
	struct wire w;
	int err;

	cr_assert_not_null(bytes);
	wire_batch(&w, 1);
	wire_array(&w, 2);
	wire_text(&w, "BlockRemoved");
	wire_wide(&w, 0xdd, n, 4);
	memcpy(bytes, w.bytes, w.n);
	cr_assert_eq(aibrix_event_open(decoder, bytes, w.n + n, NULL),
		     AIBRIX_OK);
	err = aibrix_event_next(decoder, &e);
	free(bytes);
	return err;
}

Test(event, an_event_has_at_most_2_to_the_20_blocks)
{
	cr_expect_eq(status_of_hashes(AIBRIX_INDEX_EVENT_BLOCKS), AIBRIX_OK);
	cr_expect_eq(status_of_hashes(AIBRIX_INDEX_EVENT_BLOCKS + 1),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(stat_of(decoder).too_large, 1);
}

Test(event, a_decoder_without_a_hash_gives_tokens)
{
	const aibrix_event_opts opts = {.size = sizeof(opts),
					.flags = AIBRIX_EVENT_NO_HASHES,
					.engine_block_tokens = 4};
	aibrix_event_decoder *d = NULL;
	aibrix_index *index = NULL;
	aibrix_event e;
	struct wire w;

	wire_batch(&w, 1);
	wire_stored(&w, 5, 1, 2, 1, 4);
	cr_assert_eq(aibrix_event_new(&opts, &d), AIBRIX_OK);
	e = one_event(d, &w);
	cr_expect_null(e.hashes);
	cr_expect_eq(e.n, 2);
	cr_expect_eq(e.n_tokens, 8);
	cr_assert_eq(aibrix_index_new(NULL, &index), AIBRIX_OK);
	cr_expect_eq(aibrix_event_apply(d, index, 0, w.bytes, w.n),
		     AIBRIX_E_INVAL);
	aibrix_index_free(index);
	aibrix_event_free(d);
}
