/*
 * RESP2 commands: an array of bulk strings,
 *
 *   *3 CRLF  $3 CRLF SET CRLF  $16 CRLF key CRLF  $2097152 CRLF | CRLF
 *   '------------------------ head ----------------------------' ^ '- tail
 *                                                             payload
 *
 * Keys are short and blocks are megabytes, so small arguments are copied into
 * one piece of memory and the payload is not touched at all.
 */

#include "store/resp.h"

#include <string.h>

#include <aibrix/base.h>

#include "base/bytes.h"

enum { DECIMAL = 20 }; /* digits of the largest uint64_t */

static void
write_decimal(struct writer *w, uint64_t x)
{
	uint8_t digits[DECIMAL];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (uint8_t)('0' + x % 10);
		x /= 10;
	} while (x != 0);
	write_bytes(w, digits + at, sizeof(digits) - at);
}

static void
write_prefix(struct writer *w, char type, uint64_t n)
{
	write_bytes(w, &type, 1);
	write_decimal(w, n);
	write_bytes(w, "\r\n", 2);
}

static int
args_are_valid(const struct resp_arg *args, uint32_t n, uint32_t payload)
{
	if (!args || n == 0 || n > RESP_ARGS)
		return 0;
	if (payload >= n && payload != RESP_NO_PAYLOAD)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i == payload)
			continue;
		if (args[i].n > RESP_ARG_BYTES || (args[i].n && !args[i].bytes))
			return 0;
	}
	return 1;
}

int
aibrix__resp_encode(const struct resp_arg *args, uint32_t n, uint32_t payload,
		    uint8_t *out, size_t cap, size_t *head, size_t *bytes)
{
	struct writer w = writer_on(out, cap);
	const uint8_t *split = NULL;

	if (!args_are_valid(args, n, payload) || !out || !head || !bytes)
		return AIBRIX_E_INVAL;
	write_prefix(&w, '*', n);
	for (uint32_t i = 0; i < n; i++) {
		write_prefix(&w, '$', args[i].n);
		if (i == payload)
			split = w.at;
		else if (args[i].n)
			write_bytes(&w, args[i].bytes, (size_t)args[i].n);
		write_bytes(&w, "\r\n", 2);
	}
	if (!w.ok)
		return AIBRIX_E_SPACE;

	*bytes = (size_t)(w.at - out);
	*head = split ? (size_t)(split - out) : *bytes;
	return AIBRIX_OK;
}
