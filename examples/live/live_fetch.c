/*
 * Pages over HTTP, several at once, in the thread that decides.
 *
 *	begin --> BUSY --> DONE: text, or a fault
 *
 * What is at the other end may be stuck, wrong or somebody else.  So there is
 * a time for each page and a limit to its bytes and those of its header; no
 * proxy, no redirect, no compression (a small body may be a large page), no
 * other protocol than HTTP, no connection kept from a process that may have
 * been replaced.
 */
#include "live/live_fetch.h"

#include <stdlib.h>
#include <string.h>

enum {
	HEADER_BYTES_MAX = 64 << 10,
	CAP_MIN = 16 << 10,
	WAIT_MS_MAX = 60000,
	MS_NS = 1000000
};

static const char too_large[] = "page too large";

static size_t
body_take(char *from, size_t size, size_t n, void *ctx)
{
	live_fetch *fetch = ctx;
	size_t cap = fetch->cap ? fetch->cap : CAP_MIN;
	char *text;

	n *= size;
	if (n > fetch->limit - fetch->n) {
		fetch->fault = too_large;
		return 0;
	}
	while (cap - fetch->n < n)
		cap *= 2;
	if (cap != fetch->cap) {
		text = realloc(fetch->text, cap);
		if (!text) {
			fetch->fault = "out of memory";
			return 0;
		}
		fetch->text = text;
		fetch->cap = cap;
	}
	memcpy(fetch->text + fetch->n, from, n);
	fetch->n += n;
	return n;
}

static size_t
header_take(char *from, size_t size, size_t n, void *ctx)
{
	live_fetch *fetch = ctx;

	(void)from;
	n *= size;
	if (n > HEADER_BYTES_MAX - fetch->header_bytes) {
		fetch->fault = "header too large";
		return 0;
	}
	fetch->header_bytes += n;
	return n;
}

int
live_fetcher_open(live_fetcher *fetcher, uint64_t limit)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -1;
	fetcher->limit = limit;
	fetcher->multi = curl_multi_init();
	fetcher->headers = curl_slist_append(
		NULL, "Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1");
	return fetcher->multi && fetcher->headers ? 0 : -1;
}

void
live_fetcher_close(live_fetcher *fetcher)
{
	if (fetcher->multi)
		curl_multi_cleanup(fetcher->multi);
	curl_slist_free_all(fetcher->headers);
	*fetcher = (live_fetcher){0};
	curl_global_cleanup();
}

static int
easy_set(CURL *easy, live_fetch *fetch, const live_fetcher *fetcher,
	 const char *url)
{
	int bad = 0;

	bad |= curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetcher->headers) !=
	       CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_take) !=
	       CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, header_take) !=
	       CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_NETRC,
				(long)CURL_NETRC_IGNORED) != CURLE_OK;
	bad |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "autoscale_live") !=
	       CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075500
	bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") !=
	       CURLE_OK;
#else
	bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
				(long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) !=
	       CURLE_OK;
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name server that does not answer holds nobody at the end. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
	return bad;
}

int
live_fetch_open(live_fetch *fetch, const live_fetcher *fetcher, const char *url)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return -1;
	*fetch = (live_fetch){.limit = fetcher->limit};
	if (easy_set(easy, fetch, fetcher, url)) {
		curl_easy_cleanup(easy);
		return -1;
	}
	fetch->easy = easy;
	return 0;
}

void
live_fetch_clear(live_fetch *fetch)
{
	free(fetch->text);
	fetch->text = NULL;
	fetch->n = fetch->cap = fetch->header_bytes = 0;
	fetch->fault = NULL;
	fetch->phase = LIVE_FETCH_IDLE;
}

void
live_fetch_end(live_fetch *fetch, live_fetcher *fetcher)
{
	if (fetch->phase != LIVE_FETCH_BUSY)
		return;
	curl_multi_remove_handle(fetcher->multi, fetch->easy);
	fetch->phase = LIVE_FETCH_DONE;
	fetch->fault = "no answer in time";
}

void
live_fetch_close(live_fetch *fetch, live_fetcher *fetcher)
{
	if (!fetch->easy)
		return;
	live_fetch_end(fetch, fetcher);
	live_fetch_clear(fetch);
	curl_easy_cleanup(fetch->easy);
	*fetch = (live_fetch){0};
}

void
live_fetch_begin(live_fetch *fetch, live_fetcher *fetcher, uint64_t timeout_ns)
{
	long ms = (long)((timeout_ns + MS_NS - 1) / MS_NS);

	live_fetch_end(fetch, fetcher);
	live_fetch_clear(fetch);
	curl_easy_setopt(fetch->easy, CURLOPT_TIMEOUT_MS, ms);
	curl_easy_setopt(fetch->easy, CURLOPT_CONNECTTIMEOUT_MS, ms);
	if (curl_multi_add_handle(fetcher->multi, fetch->easy) == CURLM_OK) {
		fetch->phase = LIVE_FETCH_BUSY;
		return;
	}
	fetch->phase = LIVE_FETCH_DONE;
	fetch->fault = "libcurl takes no more";
}

static const char *
fault_text(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT: return "no answer in time";
	case CURLE_COULDNT_CONNECT: return "nobody listens";
	case CURLE_PARTIAL_FILE: return "cut off";
	case CURLE_GOT_NOTHING: return "empty answer";
	case CURLE_RECV_ERROR: return "connection lost";
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL: return "not HTTP";
	default: return curl_easy_strerror(code);
	}
}

static void
fetch_done(live_fetch *fetch, CURLcode code)
{
	long status = 0;

	fetch->phase = LIVE_FETCH_DONE;
	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	if (fetch->fault) /* ours: more exact */
		return;
	if (code != CURLE_OK)
		fetch->fault = fault_text(code);
	else if (status / 100 == 3)
		fetch->fault = "a redirect, not a page";
	else if (status != 200)
		fetch->fault = "not status 200";
}

/* How many came to their end. */
static uint32_t
messages_take(live_fetcher *fetcher)
{
	const CURLMsg *message;
	uint32_t n = 0;
	int left;

	while ((message = curl_multi_info_read(fetcher->multi, &left))) {
		CURLcode code = message->data.result;
		CURL *easy = message->easy_handle;
		char *ctx = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &ctx);
		curl_multi_remove_handle(fetcher->multi, easy);
		fetch_done((void *)ctx, code);
		n++;
	}
	return n;
}

void
live_fetcher_wait(live_fetcher *fetcher, struct curl_waitfd *fds, uint32_t n,
		  uint64_t wait_ns)
{
	uint64_t ms = wait_ns / MS_NS + (wait_ns % MS_NS != 0);
	int running;

	/* What was added begins here, and may end here. */
	curl_multi_perform(fetcher->multi, &running);
	if (messages_take(fetcher))
		ms = 0;
	curl_multi_poll(fetcher->multi, fds, n,
			(int)(ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX), NULL);
	curl_multi_perform(fetcher->multi, &running);
	messages_take(fetcher);
}
