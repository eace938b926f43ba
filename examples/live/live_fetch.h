/* Pages over HTTP. */
#ifndef LIVE_FETCH_H
#define LIVE_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

typedef struct live_fetcher {
	CURLM *multi;
	struct curl_slist *headers;
	uint64_t limit; /* bytes of a page */
} live_fetcher;

typedef enum live_fetch_phase {
	LIVE_FETCH_IDLE,
	LIVE_FETCH_BUSY,
	LIVE_FETCH_DONE
} live_fetch_phase;

/* One page, again and again. */
typedef struct live_fetch {
	CURL *easy; /* NULL: not open */
	live_fetch_phase phase;
	const char *fault; /* DONE: why there is no page; NULL: there is one */
	char *text;
	size_t n, cap, limit;
	size_t header_bytes;
} live_fetch;

int live_fetcher_open(live_fetcher *fetcher, uint64_t limit);
void live_fetcher_close(live_fetcher *fetcher);
/* What has come; until ms are over, or one of fds is readable. */
void live_fetcher_wait(live_fetcher *fetcher, struct curl_waitfd *fds,
		       uint32_t n, uint64_t wait_ns);

int live_fetch_open(live_fetch *fetch, const live_fetcher *fetcher,
		    const char *url);
void live_fetch_close(live_fetch *fetch, live_fetcher *fetcher);
/* Ask. */
void live_fetch_begin(live_fetch *fetch, live_fetcher *fetcher,
		      uint64_t timeout_ns);
/* Nobody waits for it any longer: DONE. */
void live_fetch_end(live_fetch *fetch, live_fetcher *fetcher);
/* The page was read: IDLE, and its memory is free. */
void live_fetch_clear(live_fetch *fetch);

#endif
