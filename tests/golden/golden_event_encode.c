/* Batches are the bytes that vLLM's own encoder writes (event_vectors.py). */
#include <criterion/criterion.h>

#include "event_tools.h"

struct event_row {
	uint32_t n, rank;
	double time_s;
	const aibrix_event *events;
	const uint8_t *arrays;
	uint64_t arrays_bytes;
	const uint8_t *maps;
	uint64_t maps_bytes;
};

#include "event_vectors.h"

enum { ROWS = sizeof(event_rows) / sizeof(*event_rows), BYTES = 1 << 15 };

static uint8_t bytes[BYTES];

static void
expect_bytes(const struct event_row *row, uint32_t flags, const uint8_t *want,
	     uint64_t n_want)
{
	const aibrix_event_encoding x = {.size = sizeof(x),
					 .flags = flags | AIBRIX_EVENT_HAS_RANK,
					 .time_s = row->time_s,
					 .rank = row->rank};
	uint64_t n = 0;

	cr_assert_eq(
		aibrix_event_encode(&x, row->events, row->n, bytes, BYTES, &n),
		AIBRIX_OK);
	cr_assert_eq(n, n_want);
	cr_assert_arr_eq(bytes, want, n);
	/* With no byte to spare, and with none at all. */
	memset(bytes, 0, BYTES);
	cr_assert_eq(aibrix_event_encode(&x, row->events, row->n, bytes, n, &n),
		     AIBRIX_OK);
	cr_assert_arr_eq(bytes, want, n);
	cr_expect_eq(bytes[n], 0);
	cr_assert_eq(aibrix_event_encode(&x, row->events, row->n, NULL, 0, &n),
		     AIBRIX_E_SPACE);
	cr_assert_eq(n, n_want);
}

Test(event_encode, arrays_are_the_bytes_of_vllm_0_23)
{
	for (uint32_t i = 0; i < ROWS; i++)
		expect_bytes(&event_rows[i], 0, event_rows[i].arrays,
			     event_rows[i].arrays_bytes);
}

Test(event_encode, maps_are_the_bytes_of_vllm_0_24)
{
	for (uint32_t i = 0; i < ROWS; i++)
		expect_bytes(&event_rows[i], AIBRIX_EVENT_MAPS,
			     event_rows[i].maps, event_rows[i].maps_bytes);
}

Test(event_encode, without_a_rank_there_is_no_field_for_it)
{
	uint64_t n;

	cr_assert_eq(aibrix_event_encode(NULL, NULL, 0, bytes, BYTES, &n),
		     AIBRIX_OK);
	cr_expect_eq(n, 11);
	cr_expect_arr_eq(bytes, "\x92\xcb\0\0\0\0\0\0\0\0\x90", 11);
}
