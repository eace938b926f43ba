/*
 * Messages of the KV-event transport, part by part.
 *
 *   live     [topic] [number] [payload]
 *   request  [      ] [number]
 *   reply    [      ] [number] [payload]            older publishers
 *            [      ] [topic] [number] [payload]    newer ones
 *
 * The empty part is what a REQ socket would add, and the engine's ROUTER
 * expects.  Numbers are 8 bytes, big-endian.  Nothing here looks into a
 * payload: a batch that does not decode is still a batch, and its number
 * still counts.
 */

#include <aibrix/admit.h>

#include "base/versioned.h"
#include "base/xxh.h"

enum { MESSAGE_V1 = STRUCT_UPTO(aibrix_admit_message, payload) };
enum { SEQ_BYTES = 8 };

uint64_t
aibrix_admit_print(const void *payload, uint64_t n)
{
	uint64_t print = aibrix__xxh3_64(payload ? payload : "",
					 payload ? (size_t)n : 0, 0);

	return print ? print : 1;
}

static int
parts_valid(const aibrix_part *parts, uint32_t n)
{
	if (!parts)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (!parts[i].bytes && parts[i].n)
			return 0;
	return 1;
}

static uint64_t
seq_read(const uint8_t *bytes)
{
	uint64_t seq = 0;

	for (uint32_t i = 0; i < SEQ_BYTES; i++)
		seq = seq << 8 | bytes[i];
	return seq;
}

/* n is 2 (number, payload) or 3 (topic before them). */
static int
batch_read(const aibrix_part *parts, uint32_t n, int reply,
	   aibrix_admit_message *out)
{
	aibrix_admit_message batch = {.size = sizeof(batch)};
	const aibrix_part *seq = &parts[n - 2];

	if (seq->n != SEQ_BYTES)
		return AIBRIX_E_PARSE;
	batch.seq = seq_read(seq->bytes);
	if (n == 3)
		batch.topic = parts[0];
	batch.payload = parts[n - 1];
	if (batch.seq == AIBRIX_ADMIT_END && (!reply || batch.payload.n))
		return AIBRIX_E_PARSE;
	return aibrix__struct_store(out, &batch, sizeof(batch), MESSAGE_V1);
}

int
aibrix_admit_read_live(const aibrix_part *parts, uint32_t n,
		       aibrix_admit_message *batch)
{
	if (!batch || !parts_valid(parts, n))
		return AIBRIX_E_INVAL;
	if (n != 2 && n != 3)
		return AIBRIX_E_PARSE;
	return batch_read(parts, n, 0, batch);
}

int
aibrix_admit_read_reply(const aibrix_part *parts, uint32_t n,
			aibrix_admit_message *batch)
{
	if (!batch || !parts_valid(parts, n))
		return AIBRIX_E_INVAL;
	if ((n != 3 && n != 4) || parts[0].n != 0)
		return AIBRIX_E_PARSE;
	return batch_read(parts + 1, n - 1, 1, batch);
}

int
aibrix_admit_write_request(uint64_t seq,
			   uint8_t out[AIBRIX_ADMIT_REQUEST_BYTES])
{
	if (!out || seq == AIBRIX_ADMIT_END)
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < SEQ_BYTES; i++)
		out[i] = (uint8_t)(seq >> (8 * (SEQ_BYTES - 1 - i)));
	return AIBRIX_OK;
}
