/*
 * A program of records and messages against the list of all.  When the first
 * byte is 1 modulo 4, any bytes as a message instead, with a right sum put
 * behind them: what is taken are records within the message.  When it is 2,
 * gateways that tell each other what they have charged.
 */

#include "../tests/model/share_program.h"
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
see_claim(void *ctx, const aibrix_share_claim_of *c)
{
	(void)ctx;
	check(c->n > 0 && c->n <= AIBRIX_SHARE_CLAIM_BLOCKS);
}

/* The same bytes as what a gateway has charged. */
static void
try_share(const uint8_t *message, size_t len)
{
	const aibrix_share_opts opts = {
		.size = sizeof(opts), .origin = 1, .max_counts = 4};
	const aibrix_share_sink sink = {.size = sizeof(sink),
					.claim = see_claim};
	aibrix_share_news news = {.size = sizeof(news)};
	aibrix_share *share;
	uint32_t n;
	int err;

	check(aibrix_share_new(&opts, &share) == AIBRIX_OK);
	err = aibrix_share_take(share, message, len, 0, &sink, &news);
	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE);
	check(aibrix_share_expire(share, UINT64_MAX, &sink, &n) == AIBRIX_OK);
	check(n <= 1);
	aibrix_share_free(share);
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
	try_share(own, len + 8);
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
	if (data[0] % 4 == 2) {
		check(share_program_run(choices, STEPS, SHARE_SOUND) == NULL);
		return 0;
	}
	check(sync_program_run(choices, STEPS, NO_FAULT) == NULL);
	return 0;
}
