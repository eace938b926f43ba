/* Batches that we write. */
#include <criterion/criterion.h>

#include "base/rand.h"

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

TestSuite(event_encode, .init = start, .fini = stop);

static const uint64_t names[] = {0, 200, 70000, (uint64_t)1 << 40};
static const uint32_t tokens[] = {
	0,     127, 128, 255, 256, 65535, 65536,      UINT32_MAX,
	70000, 1,   2,   3,   4,   5,     4000000000, 6};

enum { RANDOM_EVENTS = 20, RANDOM_NAMES = 6, RANDOM_BATCHES = 300 };

/* One event of each sort, and what each field may be. */
static const aibrix_event samples[] = {
	{.type = AIBRIX_EVENT_STORED,
	 .flags = AIBRIX_INDEX_HAS_PARENT,
	 .parent = UINT64_MAX,
	 .tier = AIBRIX_TIER_HOST,
	 .group = 5,
	 .n = 4,
	 .names = names,
	 .tokens = tokens,
	 .n_tokens = 16,
	 .block_tokens = 4,
	 .lora = "adapter"},
	{.type = AIBRIX_EVENT_STORED,
	 .tier = AIBRIX_TIER_DISK,
	 .kind = AIBRIX_GROUP_OTHER,
	 .n = 1,
	 .names = names,
	 .tokens = tokens,
	 .n_tokens = 3,
	 .block_tokens = 64},
	{.type = AIBRIX_EVENT_STORED,
	 .tier = AIBRIX_TIER_EXTERNAL,
	 .n = 2,
	 .names = names},
	{.type = AIBRIX_EVENT_STORED,
	 .n = 1,
	 .names = names,
	 .tokens = tokens,
	 .n_tokens = 4,
	 .block_tokens = 4,
	 .extra = "\x91\x91\x92\xa1i\xfd",
	 .extra_bytes = 6},
	{.type = AIBRIX_EVENT_STORED},
	{.type = AIBRIX_EVENT_REMOVED,
	 .tier = AIBRIX_TIER_HOST,
	 .group = 63,
	 .n = 3,
	 .names = names},
	{.type = AIBRIX_EVENT_REMOVED},
	{.type = AIBRIX_EVENT_CLEARED},
};

enum { SAMPLES = sizeof(samples) / sizeof(*samples) };

static void
expect_bytes(const void *a, const void *b, size_t n)
{
	if (n)
		cr_expect_arr_eq(a, b, n);
}

static void
expect_same(const aibrix_event *a, const aibrix_event *b)
{
	cr_expect_eq(a->type, b->type);
	cr_expect_eq(a->flags, b->flags);
	cr_expect_eq(a->tier, b->tier);
	cr_expect_eq(a->group, b->group);
	cr_expect_eq(a->kind, b->kind);
	cr_expect_eq(a->parent, b->parent);
	cr_expect_eq(a->block_tokens, b->block_tokens);
	cr_assert_eq(a->n, b->n);
	expect_bytes(a->names, b->names, a->n * sizeof(*a->names));
	cr_assert_eq(a->n_tokens, b->n_tokens);
	expect_bytes(a->tokens, b->tokens, a->n_tokens * sizeof(*a->tokens));
	cr_assert_eq(!a->lora, !b->lora);
	if (a->lora)
		cr_expect_str_eq(a->lora, b->lora);
	cr_assert_eq(!a->salt, !b->salt);
	if (a->salt)
		cr_expect_str_eq(a->salt, b->salt);
	cr_assert_eq(a->extra_bytes, b->extra_bytes);
	expect_bytes(a->extra, b->extra, a->extra_bytes);
}

static void
expect_round_trip(uint32_t flags, const aibrix_event *events, uint32_t n)
{
	const aibrix_event_encoding encoding = {.size = sizeof(encoding),
						.flags = flags,
						.time_s = 12.25,
						.rank = 300};
	aibrix_event_batch batch = {.size = sizeof(batch)};
	static uint8_t bytes[1 << 14];
	uint64_t need;
	uint32_t rank;
	aibrix_event e;

	cr_assert_eq(aibrix_event_encode(&encoding, events, n, bytes,
					 sizeof(bytes), &need),
		     AIBRIX_OK);
	cr_assert_eq(aibrix_event_open(decoder, bytes, need, &batch),
		     AIBRIX_OK);
	cr_expect_eq(batch.n_events, n);
	cr_expect_eq(batch.time_s, 12.25);
	for (uint32_t i = 0; i < n; i++) {
		cr_assert_eq(aibrix_event_next(decoder, &e), AIBRIX_OK);
		expect_same(&events[i], &e);
	}
	cr_expect_eq(aibrix_event_next(decoder, &e), AIBRIX_E_NOT_FOUND);
	cr_assert_eq(aibrix_event_rank(bytes, need, &rank), AIBRIX_OK);
	cr_expect_eq(rank, 300);
}

Test(event_encode, what_is_written_is_read)
{
	expect_round_trip(AIBRIX_EVENT_HAS_RANK, samples, SAMPLES);
	expect_round_trip(AIBRIX_EVENT_HAS_RANK | AIBRIX_EVENT_MAPS, samples,
			  SAMPLES);
}

/* As many of each width. */
static uint64_t
random_number(uint64_t *state, uint32_t bits)
{
	uint64_t x = rand_next(state) | 1;

	return x >> (rand_below(state, bits) + 64 - bits);
}

static aibrix_event
random_event(uint64_t *state, uint64_t *into_names, uint32_t *into_tokens)
{
	static const char *const texts[] = {NULL, NULL, "a", "adapter"};
	aibrix_event e = {.type = 1 + rand_below(state, 3)};

	if (e.type == AIBRIX_EVENT_CLEARED)
		return e;
	e.tier = rand_below(state, AIBRIX_TIERS);
	e.group = rand_below(state, AIBRIX_INDEX_GROUPS);
	e.n = rand_below(state, RANDOM_NAMES + 1);
	e.names = e.n ? into_names : NULL;
	for (uint32_t i = 0; i < e.n; i++)
		into_names[i] = random_number(state, 64);
	if (e.type == AIBRIX_EVENT_REMOVED)
		return e;
	e.kind = rand_below(state, 2);
	e.lora = texts[rand_below(state, 4)];
	if (rand_below(state, 2)) {
		e.flags = AIBRIX_INDEX_HAS_PARENT;
		e.parent = random_number(state, 64);
	}
	if (!e.n || rand_below(state, 4) == 0)
		return e;
	e.block_tokens = 4;
	e.n_tokens = (uint64_t)e.n * 4;
	e.tokens = into_tokens;
	for (uint64_t i = 0; i < e.n_tokens; i++)
		into_tokens[i] = (uint32_t)random_number(state, 32);
	return e;
}

Test(event_encode, random_batches_are_read_as_they_were_written)
{
	static uint64_t many_names[RANDOM_EVENTS][RANDOM_NAMES];
	static uint32_t many_tokens[RANDOM_EVENTS][RANDOM_NAMES * 4];
	aibrix_event events[RANDOM_EVENTS];
	uint64_t state = 1;

	for (uint32_t i = 0; i < RANDOM_BATCHES; i++) {
		uint32_t n = rand_below(&state, RANDOM_EVENTS + 1);

		for (uint32_t j = 0; j < n; j++)
			events[j] = random_event(&state, many_names[j],
						 many_tokens[j]);
		expect_round_trip(AIBRIX_EVENT_HAS_RANK, events, n);
		expect_round_trip(AIBRIX_EVENT_HAS_RANK | AIBRIX_EVENT_MAPS,
				  events, n);
	}
}

Test(event_encode, a_salt_goes_into_maps_only)
{
	aibrix_event e = samples[3];
	uint8_t bytes[256];
	uint64_t n;

	e.salt = "tenant";
	expect_round_trip(AIBRIX_EVENT_HAS_RANK | AIBRIX_EVENT_MAPS, &e, 1);
	cr_expect_eq(aibrix_event_encode(NULL, &e, 1, bytes, sizeof(bytes), &n),
		     AIBRIX_E_INVAL);
}

Test(event_encode, too_small_a_buffer_says_what_is_needed)
{
	uint8_t bytes[512];
	uint64_t n, need = 0;

	cr_assert_eq(aibrix_event_encode(NULL, samples, SAMPLES, NULL, 0, &n),
		     AIBRIX_E_SPACE);
	for (uint64_t cap = 0; cap < n; cap++) {
		memset(bytes, 0x5a, sizeof(bytes));
		cr_assert_eq(aibrix_event_encode(NULL, samples, SAMPLES, bytes,
						 cap, &need),
			     AIBRIX_E_SPACE);
		cr_assert_eq(need, n);
		for (uint64_t i = cap; i < sizeof(bytes); i++)
			cr_assert_eq(bytes[i], 0x5a);
	}
	cr_expect_eq(
		aibrix_event_encode(NULL, samples, SAMPLES, bytes, n, &need),
		AIBRIX_OK);
}

static int
status_of(const aibrix_event *e)
{
	uint8_t bytes[256];
	uint64_t n;

	return aibrix_event_encode(NULL, e, 1, bytes, sizeof(bytes), &n);
}

Test(event_encode, wrong_events_are_refused)
{
	const aibrix_event good = samples[3];
	aibrix_event e = good;

	cr_assert_eq(status_of(&e), AIBRIX_OK);
	e.type = 0;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.type = 4;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.tier = AIBRIX_TIERS;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.group = AIBRIX_INDEX_GROUPS;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.kind = 2;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.flags = 2;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.spare = 1;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.names = NULL;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.tokens = NULL;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e = good;
	e.n_tokens = (uint64_t)UINT32_MAX + 1;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
}

Test(event_encode, extra_keys_are_one_whole_value)
{
	aibrix_event e = samples[3];

	e.extra_bytes = 5;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.extra = "\x90\x90";
	e.extra_bytes = 2;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.extra_bytes = 0;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	e.extra = NULL;
	e.extra_bytes = 1;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
}

Test(event_encode, wrong_calls_are_refused)
{
	aibrix_event_encoding x = {.size = sizeof(x)};
	uint8_t bytes[64];
	char text[4098];
	uint64_t n;
	aibrix_event e = samples[4];

	memset(text, 'x', sizeof(text));
	text[4097] = '\0';
	e.lora = text;
	cr_expect_eq(status_of(&e), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_encode(&x, samples, 1, bytes, 64, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_encode(&x, NULL, 1, bytes, 64, &n),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_event_encode(&x, samples, 1, NULL, 64, &n),
		     AIBRIX_E_INVAL);
	x.flags = 4;
	cr_expect_eq(aibrix_event_encode(&x, NULL, 0, bytes, 64, &n),
		     AIBRIX_E_ABI);
	x.flags = 0;
	x.spare = 1;
	cr_expect_eq(aibrix_event_encode(&x, NULL, 0, bytes, 64, &n),
		     AIBRIX_E_INVAL);
	x.size = 4;
	cr_expect_eq(aibrix_event_encode(&x, NULL, 0, bytes, 64, &n),
		     AIBRIX_E_INVAL);
}
