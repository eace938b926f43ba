/*
 * Endpoints of data-parallel ranks.
 *
 * vLLM (vllm/distributed/kv_events.py) adds the rank to the port of a tcp
 * endpoint and "_dp<rank>" to an inproc name; rank 0 changes neither.
 */

#include <string.h>

#include "base/alloc.h"
#include "zmq/zmq_internal.h"

enum { ENDPOINT_MAX = 1024, RANK_DIGITS = 16, PORT_MAX = 65535 };

static int
endpoint_is(const char *endpoint, const char *scheme)
{
	return strncmp(endpoint, scheme, strlen(scheme)) == 0;
}

/* Decimal digits of n behind text; the new end. */
static char *
number_write(char *text, uint32_t n)
{
	char digits[10];
	uint32_t used = 0;

	do {
		digits[used++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (used)
		*text++ = digits[--used];
	*text = '\0';
	return text;
}

/* The port, and where it begins.  0: there is none. */
static uint32_t
port_read(const char *endpoint, const char **begin)
{
	const char *colon = strrchr(endpoint, ':');
	const char *bracket = strrchr(endpoint, ']');
	uint32_t port = 0;

	if (!colon || (bracket && colon != bracket + 1) ||
	    colon < endpoint + strlen("tcp://"))
		return 0;
	*begin = colon + 1;
	for (const char *at = *begin; *at; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		port = port * 10 + (uint32_t)(*at - '0');
		if (port > PORT_MAX)
			return 0;
	}
	return port;
}

int
aibrix__zmq_endpoint(const aibrix_allocator *a, const char *endpoint,
		     uint32_t rank, char **out, size_t *bytes)
{
	size_t length = strnlen(endpoint, ENDPOINT_MAX);
	const char *digits = endpoint + length;
	uint32_t port = 0;
	char *text, *end;

	if (length == ENDPOINT_MAX)
		return AIBRIX_E_INVAL;
	if (endpoint_is(endpoint, "tcp://")) {
		port = port_read(endpoint, &digits);
		if (!port || rank > PORT_MAX - port)
			return AIBRIX_E_INVAL;
	} else if (rank && !endpoint_is(endpoint, "inproc://")) {
		return AIBRIX_E_INVAL;
	}
	text = aibrix__alloc(a, length + RANK_DIGITS, 1);
	if (!text)
		return AIBRIX_E_NOMEM;
	end = text + (digits - endpoint);
	memcpy(text, endpoint, (size_t)(digits - endpoint));
	if (port)
		number_write(end, port + rank);
	else if (rank)
		number_write((char *)memcpy(end, "_dp", 3) + 3, rank);
	*out = text;
	*bytes = length + RANK_DIGITS;
	return AIBRIX_OK;
}
