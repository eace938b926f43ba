/*
 * A program of records and messages against the list of all; or, when the
 * first byte is 1 modulo 4, any bytes as a message, with a right sum put
 * behind them: what is taken are records within the message.
 */

#include "../tests/model/sync_program.h"

#include "base/bytes.h"
#include "base/xxh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS = 200 };

static void
check(int right)
{
	if (!right)
		abort();
}

static void
try_message(const uint8_t *data, size_t len)
{
	uint8_t *own = malloc(len + 8);
	aibrix_sync_news news = {.size = sizeof(news)};
	aibrix_sync_peer peer = {.next = 0};
	aibrix_sync_record r;
	struct writer w;
	int err;

	check(own != NULL);
	memcpy(own, data, len);
	w = writer_on(own + len, 8);
	write_u64(&w, aibrix__xxh64(own, len, 0));
	err = aibrix_sync_origin(own, len + 8, &peer.origin);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	err = aibrix_sync_read(&peer, own, len + 8, &news);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	while (!err && aibrix_sync_next(&news, &r) == AIBRIX_OK) {
		const uint8_t *value = r.value;

		check(value >= own && value + r.value_bytes <= own + len);
		check(r.key_bytes <= AIBRIX_SYNC_KEY_MAX);
	}
	if (!err)
		check(news.records == 0);
	free(own);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct choices choices = {.rand = 1};

	if (len == 0)
		return 0;
	if (data[0] % 4 == 1) {
		try_message(data + 1, len - 1);
		return 0;
	}
	choices.data = data + 1;
	choices.left = len - 1;
	check(sync_program_run(choices, STEPS, NO_FAULT) == NULL);
	return 0;
}
