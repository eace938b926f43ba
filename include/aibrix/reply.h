/*
 * What a gateway answers when it does not route: OpenAI's error body, and
 * AIBrix's header that says why.
 */
#ifndef AIBRIX_REPLY_H
#define AIBRIX_REPLY_H

#include <aibrix/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What happened. */
enum {
	AIBRIX_REPLY_OK = 0,
	AIBRIX_REPLY_BAD_REQUEST = 1,
	AIBRIX_REPLY_NO_MODEL = 2,      /* the body names none */
	AIBRIX_REPLY_UNKNOWN_MODEL = 3,
	AIBRIX_REPLY_BAD_STRATEGY = 4,
	AIBRIX_REPLY_BAD_KEY = 5,       /* API key */
	AIBRIX_REPLY_RPM = 6,           /* user's requests */
	AIBRIX_REPLY_TPM = 7,           /* user's tokens */
	AIBRIX_REPLY_MODEL_RPS = 8,     /* model's requests */
	AIBRIX_REPLY_NO_POD = 9,        /* none is ready */
	AIBRIX_REPLY_ROUTING = 10,      /* no pod was picked */
	AIBRIX_REPLY_USER = 11,         /* the user's record cannot be read */
	AIBRIX_REPLY_INTERNAL = 12
};

/* Texts are static. */
typedef struct aibrix_reply_form {
	uint32_t size;
	uint32_t http;      /* status code */
	const char *type;   /* of the body; OK: "" */
	const char *code;   /* of the body; NULL: null */
	const char *header; /* AIBrix's flag ("x-error-routing"); NULL: none */
} aibrix_reply_form;

/*
 * The form of an answer.
 *
 * Fails: E_INVAL (no such cause).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int aibrix_reply_form_of(uint32_t cause,
						 aibrix_reply_form *form);

/*
 * What happened, by the status of the call that failed for a request: wrong
 * input is BAD_REQUEST, a router without a candidate NO_POD, what passes is
 * ROUTING, the rest INTERNAL.
 *
 * Thread: any.  Since: 0.1.
 */
AIBRIX_API uint32_t aibrix_reply_cause(int status);

/* The body's type by HTTP status ("rate_limit_error"): never NULL.
 * Thread: any.  Since: 0.1. */
AIBRIX_API const char *aibrix_reply_type(uint32_t http);

/*
 * Write {"error":{"message":...,"type":...,"code":...,"param":...}}, by the
 * HTTP status's type.  message is bytes of any kind: what is not UTF-8 becomes
 * U+FFFD, the rest is escaped as JSON asks.  code and param: NULL is null.
 * *n becomes the length; no NUL.
 *
 * Fails: E_SPACE (*n says how much; nothing is written), E_INVAL.
 * Cost: O(bytes).  Thread: any.  Since: 0.1.
 */
AIBRIX_API AIBRIX_CHECK int
aibrix_reply_write(uint32_t http, const void *message, uint64_t message_bytes,
		   const char *code, const char *param, char *out,
		   uint64_t cap, uint64_t *n);

/* Seconds for a Retry-After header: rounded up, at least 1; FOREVER stays.
 * Thread: any.  Since: 0.1. */
AIBRIX_API uint64_t aibrix_reply_retry_s(uint64_t retry_ns);

#ifdef __cplusplus
}
#endif

#endif
