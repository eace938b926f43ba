/*
 * RESP2 replies, byte by byte.
 *
 *            +----------- other lines: an event -----------+
 *            v                                             |
 *   ------> TYPE --type--> LINE --CR--> LINE_LF --LF-------+
 *            ^                             |
 *            |                             | $n
 *            |                             v
 *   END_LF <-CR- END_CR <-n bytes- DATA <- HELD (into, drop)
 *
 *   from everywhere: anything else --> FAILED, for good
 *
 * A block is megabytes and its header ten bytes.  So lines are gathered in a
 * small buffer, one byte at a time, and the machine stops between header and
 * payload to be told where the payload belongs: what came with the header is
 * copied there once, all the rest is received there by the kernel.
 *
 * The peer is not trusted to be a Redis.  Only what Redis writes is read: no
 * lone CR or LF, no sign or zero that it would not print, no length below -1.
 * A client that guesses where the next reply begins hands one key's bytes to
 * another key, so whatever breaks the framing ends the connection.  An error
 * reply does not: it is a whole reply.
 */

#include "store/resp.h"

#include <string.h>

#include <aibrix/base.h>

enum state { TYPE, LINE, LINE_LF, HELD, DATA, END_CR, END_LF, FAILED };

void
aibrix__resp_init(struct resp *r, uint64_t bulk_max)
{
	memset(r, 0, sizeof(*r));
	r->bulk_max = bulk_max;
	r->state = TYPE;
}

/* As Redis prints it: "-0", "+1", "01" and "" are none.  0: not a number. */
static int
number_parse(const uint8_t *s, size_t n, int64_t *out)
{
	const size_t minus = n > 0 && s[0] == '-';
	const uint64_t max = (uint64_t)INT64_MAX + minus;
	uint64_t x = 0;

	if (n == minus || (s[minus] == '0' && n > 1))
		return 0;
	for (size_t i = minus; i < n; i++) {
		const uint64_t digit = (uint64_t)s[i] - '0';

		if (s[i] < '0' || s[i] > '9' || x > (max - digit) / 10)
			return 0;
		x = x * 10 + digit;
	}
	/* The negation of the smallest number is none of int64_t's. */
	*out = minus ? -(int64_t)(x - 1) - 1 : (int64_t)x;
	return 1;
}

static int
number_within(const char *s, size_t n, int64_t low, int64_t high, uint32_t *out)
{
	int64_t x;

	if (!number_parse((const uint8_t *)s, n, &x) || x < low || x > high)
		return 0;
	*out = (uint32_t)x;
	return 1;
}

/* "3999 127.0.0.1:6381", the host perhaps with colons, or empty. */
static int
redirect_parse(const char *s, size_t n, struct resp_event *e)
{
	const char *space = memchr(s, ' ', n);
	const char *host, *colon = s + n;
	size_t host_bytes;

	if (!space ||
	    !number_within(s, (size_t)(space - s), 0, RESP_SLOTS - 1, &e->slot))
		return 0;
	host = space + 1;
	while (colon > host && colon[-1] != ':')
		colon--;
	if (colon == host ||
	    !number_within(colon, (size_t)(s + n - colon), 1, 65535, &e->port))
		return 0;
	host_bytes = (size_t)(colon - 1 - host);
	for (size_t i = 0; i < host_bytes; i++) {
		/* It goes to a resolver and into log lines. */
		if (host[i] <= ' ' || host[i] > '~')
			return 0;
	}
	e->host = host;
	e->host_bytes = (uint32_t)host_bytes;
	return 1;
}

static uint32_t
error_named(const char *word, size_t n)
{
	static const struct {
		char word[12];
		uint32_t error;
	} names[] = {
		{"ASK", RESP_ERROR_ASK},
		{"BUSY", RESP_ERROR_BUSY},
		{"CLUSTERDOWN", RESP_ERROR_CLUSTERDOWN},
		{"CROSSSLOT", RESP_ERROR_CROSSSLOT},
		{"LOADING", RESP_ERROR_LOADING},
		{"MASTERDOWN", RESP_ERROR_MASTERDOWN},
		{"MISCONF", RESP_ERROR_MISCONF},
		{"MOVED", RESP_ERROR_MOVED},
		{"NOAUTH", RESP_ERROR_NOAUTH},
		{"NOPERM", RESP_ERROR_NOPERM},
		{"OOM", RESP_ERROR_OOM},
		{"READONLY", RESP_ERROR_READONLY},
		{"TRYAGAIN", RESP_ERROR_TRYAGAIN},
		{"WRONGPASS", RESP_ERROR_WRONGPASS},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].word) == n &&
		    memcmp(names[i].word, word, n) == 0)
			return names[i].error;
	}
	return RESP_ERROR_OTHER;
}

static void
error_parse(struct resp_event *e)
{
	static const char refused[] = "ERR max number of clients";
	const char *space = memchr(e->text, ' ', e->text_bytes);
	const size_t word = space ? (size_t)(space - e->text) : e->text_bytes;
	struct resp_event place = *e;

	e->error = error_named(e->text, word);
	if (e->text_bytes >= sizeof(refused) - 1 &&
	    memcmp(e->text, refused, sizeof(refused) - 1) == 0)
		e->error = RESP_ERROR_MAX_CLIENTS;
	if (e->error != RESP_ERROR_MOVED && e->error != RESP_ERROR_ASK)
		return;
	if (!space ||
	    !redirect_parse(space + 1, e->text_bytes - word - 1, &place)) {
		e->error = RESP_ERROR_OTHER;
		return;
	}
	place.error = e->error;
	*e = place;
}

/* An element is complete, and with it perhaps the arrays around it. */
static void
element_end(struct resp *r, struct resp_event *e)
{
	while (r->depth > 0 && --r->open[r->depth - 1] == 0)
		r->depth--;
	e->ends = r->depth == 0;
	r->state = TYPE;
}

static int
array_begin(struct resp *r, struct resp_event *e)
{
	if (e->number < 0 || e->number > r->elements)
		return AIBRIX_E_PARSE;
	if (e->number == 0) {
		element_end(r, e);
		return AIBRIX_OK;
	}
	if (r->depth == RESP_DEPTH)
		return AIBRIX_E_PARSE;
	r->elements -= (uint32_t)e->number;
	r->open[r->depth++] = (uint32_t)e->number;
	r->state = TYPE;
	return AIBRIX_OK;
}

static int
bulk_begin(struct resp *r, const struct resp_event *e)
{
	if (e->number < 0 || (uint64_t)e->number > r->bulk_max)
		return AIBRIX_E_PARSE;
	r->bulk = r->left = (uint64_t)e->number;
	r->state = HELD;
	return AIBRIX_OK;
}

/* A line that begins with a number: a value, a length or a count. */
static int
number_end(struct resp *r, struct resp_event *e)
{
	if (!number_parse(r->line, r->line_bytes, &e->number))
		return AIBRIX_E_PARSE;
	if (r->type == ':') {
		e->kind = RESP_INTEGER;
		element_end(r, e);
		return AIBRIX_OK;
	}
	if (e->number == -1) {
		e->kind = RESP_NIL;
		e->number = 0;
		element_end(r, e);
		return AIBRIX_OK;
	}
	e->kind = r->type == '*' ? RESP_ARRAY : RESP_BULK;
	return r->type == '*' ? array_begin(r, e) : bulk_begin(r, e);
}

static int
line_end(struct resp *r, struct resp_event *e)
{
	e->depth = r->depth;
	if (r->type != '+' && r->type != '-')
		return number_end(r, e);
	e->kind = r->type == '+' ? RESP_SIMPLE : RESP_ERROR;
	e->text = (const char *)r->line;
	e->text_bytes = r->line_bytes;
	if (e->kind == RESP_ERROR)
		error_parse(e);
	element_end(r, e);
	return AIBRIX_OK;
}

static int
type_take(struct resp *r, uint8_t byte)
{
	/* Those of RESP3 come only to who asked for them. */
	if (byte == 0 || !strchr("+-:$*", byte))
		return AIBRIX_E_PARSE;
	if (r->depth == 0)
		r->elements = RESP_ELEMENTS;
	r->type = byte;
	r->line_bytes = 0;
	r->state = LINE;
	return AIBRIX_OK;
}

static int
line_take(struct resp *r, uint8_t byte)
{
	if (byte == '\r') {
		r->state = LINE_LF;
		return AIBRIX_OK;
	}
	if (byte == '\n' || r->line_bytes == RESP_LINE)
		return AIBRIX_E_PARSE;
	r->line[r->line_bytes++] = byte;
	return AIBRIX_OK;
}

static int
byte_take(struct resp *r, uint8_t byte, struct resp_event *e)
{
	switch (r->state) {
	case TYPE: return type_take(r, byte);
	case LINE: return line_take(r, byte);
	case LINE_LF: return byte == '\n' ? line_end(r, e) : AIBRIX_E_PARSE;
	case END_CR:
		r->state = END_LF;
		return byte == '\r' ? AIBRIX_OK : AIBRIX_E_PARSE;
	default: break;
	}
	if (byte != '\n')
		return AIBRIX_E_PARSE;
	e->kind = RESP_BULK_END;
	e->number = (int64_t)r->bulk;
	e->depth = r->depth;
	element_end(r, e);
	return AIBRIX_OK;
}

/* n bytes of the payload, at most left, are done with. */
static void
data_pass(struct resp *r, uint64_t n)
{
	r->left -= n;
	while (r->iov && n > 0) {
		const uint64_t room = r->iov->bytes - r->iov_done;

		if (n < room) {
			r->iov_done += n;
			break;
		}
		n -= room;
		r->iov++;
		r->iov_done = 0;
	}
	if (r->left > 0)
		return;
	r->iov = NULL;
	r->state = END_CR;
}

/* How many of n bytes were payload. */
static size_t
data_take(struct resp *r, const uint8_t *in, size_t n)
{
	struct iovec piece;
	size_t some = r->left < n ? (size_t)r->left : n;

	if (aibrix__resp_want(r, &piece, 1) == 1) {
		if (some > piece.iov_len)
			some = piece.iov_len;
		memcpy(piece.iov_base, in, some);
	}
	data_pass(r, some);
	return some;
}

int
aibrix__resp_feed(struct resp *r, const void *in, size_t n, size_t *used,
		  struct resp_event *event)
{
	const uint8_t *bytes = in;
	struct resp_event e = {0};
	size_t i = 0;

	if (r->state == HELD)
		return AIBRIX_E_STATE;
	if (r->state == FAILED) {
		*used = 0;
		return AIBRIX_E_PARSE;
	}
	while (i < n && e.kind == RESP_NONE) {
		if (r->state == DATA) {
			i += data_take(r, bytes + i, n - i);
			continue;
		}
		if (byte_take(r, bytes[i], &e)) {
			r->state = FAILED;
			*used = i;
			return AIBRIX_E_PARSE;
		}
		i++;
	}
	*used = i;
	*event = e;
	return AIBRIX_OK;
}

int
aibrix__resp_into(struct resp *r, const aibrix_iov *iov, uint32_t n)
{
	uint64_t need = r->left;

	if (r->state != HELD)
		return AIBRIX_E_STATE;
	for (uint32_t i = 0; i < n && need > 0; i++)
		need -= iov[i].bytes < need ? iov[i].bytes : need;
	if (need > 0)
		return AIBRIX_E_SPACE;
	r->iov = iov;
	r->iov_done = 0;
	r->state = DATA;
	data_pass(r, 0); /* an empty payload ends here */
	return AIBRIX_OK;
}

int
aibrix__resp_drop(struct resp *r)
{
	if (r->state != HELD && r->state != DATA)
		return AIBRIX_E_STATE;
	r->iov = NULL;
	r->state = DATA;
	data_pass(r, 0);
	return AIBRIX_OK;
}

uint64_t
aibrix__resp_left(const struct resp *r)
{
	return r->state == HELD || r->state == DATA ? r->left : 0;
}

uint32_t
aibrix__resp_want(const struct resp *r, struct iovec *out, uint32_t cap)
{
	const aibrix_iov *piece = r->iov;
	uint64_t left = r->left, done = r->iov_done;
	uint32_t n = 0;

	if (r->state != DATA || !piece)
		return 0;
	for (; n < cap && left > 0; piece++, done = 0) {
		const uint64_t room = piece->bytes - done;
		const uint64_t some = room < left ? room : left;

		if (some == 0)
			continue;
		out[n].iov_base = (uint8_t *)piece->base + done;
		out[n++].iov_len = (size_t)some;
		left -= some;
	}
	return n;
}

int
aibrix__resp_received(struct resp *r, uint64_t n)
{
	if (r->state != DATA || !r->iov || n > r->left)
		return AIBRIX_E_INVAL;
	data_pass(r, n);
	return AIBRIX_OK;
}
