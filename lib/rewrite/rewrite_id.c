/* Names on labels, and numbers that both pods are told. */

#include <string.h>

#include <aibrix/base.h>

#include "rewrite/rewrite_internal.h"

/* The label's value in any case: AIBrix folds connectors only. */
static int
same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char c = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;

		if (c != *b)
			return 0;
	}
	return *a == *b;
}

uint32_t
aibrix_rewrite_connector(const char *name, uint32_t otherwise)
{
	static const char *const names[] = {"shfs", "nixl", "mooncake"};

	for (uint32_t i = 0; name && i < 3; i++)
		if (same_word(name, names[i]))
			return i;
	return otherwise;
}

uint32_t
aibrix_rewrite_engine(const char *name)
{
	static const char *const names[] = {"vllm", "sglang", "trtllm"};

	if (!name)
		return AIBRIX_REWRITE_VLLM;
	for (uint32_t i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return AIBRIX_REWRITE_OTHER;
}

/*
 * Snowflake: 41 bits of milliseconds, 10 of machine, 12 of counter, turned
 * so that none is below 2^42.  (AIBrix pd/engine/trtllm.go.)
 */
int
aibrix_rewrite_trt_id(int64_t now_ms, uint32_t machine, uint64_t counter,
		      uint64_t *id)
{
	static const int64_t epoch_ms = 1672531200000; /* 2023-01-01 */
	static const uint64_t ms_max = ((uint64_t)1 << 41) - 1;
	static const uint64_t least = (uint64_t)1 << 42;
	uint64_t ms;

	if (!id || machine > 1023)
		return AIBRIX_E_INVAL;
	ms = now_ms > epoch_ms ? (uint64_t)(now_ms - epoch_ms) : 0;
	if (ms > ms_max)
		ms = ms_max;
	*id = (ms << 22 | (uint64_t)machine << 12 | (counter & 0xfff)) %
		      ((uint64_t)INT64_MAX - least) +
	      least;
	return AIBRIX_OK;
}

int
aibrix_rewrite_room(uint64_t entropy, uint32_t ranks, uint32_t rank,
		    uint64_t *room)
{
	uint64_t x = entropy >> 1;

	if (ranks == 0)
		ranks = 1;
	if (!room || rank >= ranks)
		return AIBRIX_E_INVAL;
	x = x - x % ranks + rank;
	*room = x > INT64_MAX ? x - ranks : x;
	return AIBRIX_OK;
}
