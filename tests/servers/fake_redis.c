/*
 * The part of a fake server that does right: requests are parsed and answered
 * from one map.  A list that is searched from its begin: tests have ten keys.
 * Times to live are accepted and forgotten, for there is no clock.
 */

#include "fake_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void *
fake__memory(void *old, size_t bytes)
{
	void *p = realloc(old, bytes);

	if (!p)
		abort();
	return p;
}

void
fake__append(struct fake_bytes *bytes, const void *more, size_t n)
{
	if (bytes->cap - bytes->n < n) {
		bytes->cap = 2 * (bytes->n + n);
		bytes->at = fake__memory(bytes->at, bytes->cap);
	}
	if (n > 0)
		memcpy(bytes->at + bytes->n, more, n);
	bytes->n += n;
}

void
fake__print(struct fake_bytes *bytes, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fake__append(bytes, text, strlen(text));
}

void
fake__free(struct fake_bytes *bytes)
{
	free(bytes->at);
	memset(bytes, 0, sizeof(*bytes));
}

/* "*3\r\n" or "$3\r\n" at in; bytes of the line, 0 or -1. */
static long long
number_line(const char *in, size_t n, char type, size_t *number)
{
	const char *end = n > 0 ? memchr(in, '\n', n < 32 ? n : 32) : NULL;

	if (n > 0 && in[0] != type)
		return -1;
	if (!end)
		return n < 32 ? 0 : -1;
	*number = 0;
	for (const char *at = in + 1; at < end - 1; at++) {
		if (*at < '0' || *at > '9' || *number > UINT32_MAX)
			return -1;
		*number = 10 * *number + (size_t)(*at - '0');
	}
	return end[-1] == '\r' && end - in > 2 ? end - in + 1 : -1;
}

/* The words, separated by blanks; what is no text is a dot. */
static void
text_make(struct fake_request *request)
{
	size_t n = 0;

	for (size_t i = 0; i < request->n; i++) {
		if (i > 0 && n < FAKE_TEXT - 1)
			request->text[n++] = ' ';
		for (size_t j = 0; j < request->bytes[i]; j++) {
			char c = request->word[i][j];

			if (n == FAKE_TEXT - 1)
				break;
			request->text[n++] = c > ' ' && c <= '~' ? c : '.';
		}
	}
	request->text[n] = 0;
}

/* As a person types it. */
static long long
parse_inline(const char *in, size_t n, struct fake_request *request,
	     const char **why)
{
	const char *end = memchr(in, '\n', n);
	const char *at = in;

	if (!end)
		return 0;
	if (end == in || end[-1] != '\r') {
		*why = "a line without CR";
		return -1;
	}
	while (at < end - 1 && request->n < FAKE_WORDS) {
		const char *blank = memchr(at, ' ', (size_t)(end - 1 - at));

		if (!blank)
			blank = end - 1;
		request->word[request->n] = at;
		request->bytes[request->n++] = (size_t)(blank - at);
		at = blank + (blank < end - 1);
	}
	return end - in + 1;
}

long long
fake__parse(const char *in, size_t n, struct fake_request *request,
	    const char **why)
{
	long long line;
	size_t at, words;

	memset(request, 0, sizeof(*request));
	if (n == 0)
		return 0;
	if (in[0] >= 'A') {
		line = parse_inline(in, n, request, why);
		text_make(request);
		return line;
	}
	line = number_line(in, n, '*', &words);
	*why = "no array of 1 to 64 words";
	if (line == 0 || line < 0 || words == 0 || words > FAKE_WORDS)
		return line == 0 ? 0 : -1;
	at = (size_t)line;
	for (request->n = 0; request->n < words; request->n++) {
		size_t bytes;

		line = number_line(in + at, n - at, '$', &bytes);
		*why = "no length of a bulk string";
		if (line <= 0)
			return line;
		at += (size_t)line;
		if (n - at < bytes + 2)
			return 0;
		*why = "no CRLF behind a bulk string";
		if (memcmp(in + at + bytes, "\r\n", 2) != 0)
			return -1;
		request->word[request->n] = in + at;
		request->bytes[request->n] = bytes;
		at += bytes + 2;
	}
	text_make(request);
	return (long long)at;
}

int
fake__matches(const char *text, const char *on)
{
	size_t n = strlen(on), verb = strcspn(on, " ");

	if (strcmp(on, "*") == 0)
		return text[0] != '(';
	return strncasecmp(text, on, verb) == 0 &&
	       strncmp(text + verb, on + verb, n - verb) == 0 &&
	       (text[n] == 0 || text[n] == ' ');
}

struct fake_entry *
fake__find(struct fake *fake, const char *key, size_t bytes)
{
	for (size_t i = 0; i < fake->n_entries; i++) {
		struct fake_entry *entry = &fake->entries[i];

		if (entry->key_bytes == bytes &&
		    memcmp(entry->key, key, bytes) == 0)
			return entry;
	}
	return NULL;
}

void
fake__set(struct fake *fake, const char *key, size_t key_bytes,
	  const void *value, size_t bytes)
{
	struct fake_entry *entry = fake__find(fake, key, key_bytes);

	if (!entry) {
		fake->entries = fake__memory(fake->entries,
					     (fake->n_entries + 1) *
						     sizeof(*fake->entries));
		entry = &fake->entries[fake->n_entries++];
		memset(entry, 0, sizeof(*entry));
		entry->key = fake__memory(NULL, key_bytes + 1);
		memcpy(entry->key, key, key_bytes);
		entry->key_bytes = key_bytes;
	}
	entry->value = fake__memory(entry->value, bytes + 1);
	memcpy(entry->value, value, bytes);
	entry->value_bytes = bytes;
}

static int
entry_remove(struct fake *fake, const char *key, size_t bytes)
{
	struct fake_entry *entry = fake__find(fake, key, bytes);

	if (!entry)
		return 0;
	free(entry->key);
	free(entry->value);
	*entry = fake->entries[--fake->n_entries];
	return 1;
}

static void
bulk(struct fake_bytes *reply, const struct fake_entry *entry)
{
	if (!entry) {
		fake__print(reply, "$-1\r\n");
		return;
	}
	fake__print(reply, "$%zu\r\n", entry->value_bytes);
	fake__append(reply, entry->value, entry->value_bytes);
	fake__print(reply, "\r\n");
}

static int
word_is(const struct fake_request *r, size_t i, const char *word)
{
	return i < r->n && r->bytes[i] == strlen(word) &&
	       strncasecmp(r->word[i], word, r->bytes[i]) == 0;
}

/* SET key value [NX] [PX ms] ... */
static void
serve_set(struct fake *fake, const struct fake_request *r,
	  struct fake_bytes *reply)
{
	const struct fake_entry *entry;
	int only_new = 0;

	if (r->n < 3) {
		fake__print(reply, "-ERR wrong number of arguments\r\n");
		return;
	}
	entry = fake__find(fake, r->word[1], r->bytes[1]);
	for (size_t i = 3; i < r->n; i++)
		only_new |= word_is(r, i, "NX");
	if (only_new && entry) {
		fake__print(reply, "$-1\r\n");
		return;
	}
	fake__set(fake, r->word[1], r->bytes[1], r->word[2], r->bytes[2]);
	fake__print(reply, "+OK\r\n");
}

static void
serve_incr(struct fake *fake, const struct fake_request *r,
	   struct fake_bytes *reply)
{
	const struct fake_entry *entry =
		fake__find(fake, r->word[1], r->bytes[1]);
	char text[32] = "0";

	if (entry && entry->value_bytes < sizeof(text)) {
		memcpy(text, entry->value, entry->value_bytes);
		text[entry->value_bytes] = 0;
	}
	snprintf(text, sizeof(text), "%lld", strtoll(text, NULL, 10) + 1);
	fake__set(fake, r->word[1], r->bytes[1], text, strlen(text));
	fake__print(reply, ":%s\r\n", text);
}

/* AUTH [user] password, HELLO [2 [AUTH user password]] */
static void
serve_auth(const struct fake *fake, struct fake_conn *conn,
	   const struct fake_request *r, struct fake_bytes *reply)
{
	int hello = word_is(r, 0, "HELLO");

	if (hello && r->n > 1 && !word_is(r, 1, "2")) {
		fake__print(reply, "-NOPROTO unsupported protocol version\r\n");
		return;
	}
	if (!hello || r->n > 2) {
		conn->trusted = fake->password &&
				r->bytes[r->n - 1] == strlen(fake->password) &&
				memcmp(r->word[r->n - 1], fake->password,
				       r->bytes[r->n - 1]) == 0;
		if (!conn->trusted) {
			fake__print(reply, "-WRONGPASS invalid "
					   "username-password pair or user is "
					   "disabled.\r\n");
			return;
		}
	}
	if (!hello)
		fake__print(reply, "+OK\r\n");
	else if (fake->password && !conn->trusted)
		fake__print(reply, "-NOAUTH HELLO must be called with the "
				   "client already authenticated\r\n");
	else
		fake__print(reply, "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n"
				   "$5\r\nproto\r\n:2\r\n");
}

static void
serve_slots(const struct fake *fake, struct fake_bytes *reply)
{
	if (fake->n_slots == 0) {
		fake__print(reply, "-ERR This instance has cluster support "
				   "disabled\r\n");
		return;
	}
	fake__print(reply, "*%zu\r\n", fake->n_slots);
	for (size_t i = 0; i < fake->n_slots; i++)
		fake__print(reply,
			    "*3\r\n:%d\r\n:%d\r\n*3\r\n$9\r\n127.0.0.1\r\n"
			    ":%d\r\n$40\r\n%040zu\r\n",
			    fake->slots[i].first, fake->slots[i].last,
			    fake->slots[i].port, i);
}

/* EXISTS, UNLINK and DEL take many keys. */
static void
serve_keys(struct fake *fake, const struct fake_request *r,
	   struct fake_bytes *reply)
{
	int remove = !word_is(r, 0, "EXISTS"), n = 0;

	for (size_t i = 1; i < r->n; i++)
		n += remove ? entry_remove(fake, r->word[i], r->bytes[i])
			    : fake__find(fake, r->word[i], r->bytes[i]) != NULL;
	fake__print(reply, ":%d\r\n", n);
}

static void
serve_key(struct fake *fake, const struct fake_request *r,
	  struct fake_bytes *reply)
{
	const struct fake_entry *entry;

	if (r->n < 2) {
		fake__print(reply, "-ERR wrong number of arguments\r\n");
		return;
	}
	entry = fake__find(fake, r->word[1], r->bytes[1]);
	if (word_is(r, 0, "GET"))
		bulk(reply, entry);
	else if (word_is(r, 0, "STRLEN"))
		fake__print(reply, ":%zu\r\n", entry ? entry->value_bytes : 0);
	else
		serve_incr(fake, r, reply);
}

void
fake__serve(struct fake *fake, struct fake_conn *conn,
	    const struct fake_request *r, struct fake_bytes *reply)
{
	static const char *const fine[] = {"ASKING", "CLIENT", "SELECT",
					   "READONLY", "READWRITE"};

	if ((word_is(r, 0, "AUTH") || word_is(r, 0, "HELLO"))) {
		serve_auth(fake, conn, r, reply);
		return;
	}
	if (fake->password && !conn->trusted) {
		fake__print(reply, "-NOAUTH Authentication required.\r\n");
		return;
	}
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		if (word_is(r, 0, fine[i])) {
			fake__print(reply, "+OK\r\n");
			return;
		}
	if (word_is(r, 0, "PING"))
		fake__print(reply, "+PONG\r\n");
	else if (word_is(r, 0, "SET"))
		serve_set(fake, r, reply);
	else if (word_is(r, 0, "GET") || word_is(r, 0, "STRLEN") ||
		 word_is(r, 0, "INCR"))
		serve_key(fake, r, reply);
	else if (word_is(r, 0, "EXISTS") || word_is(r, 0, "UNLINK") ||
		 word_is(r, 0, "DEL"))
		serve_keys(fake, r, reply);
	else if (word_is(r, 0, "CLUSTER") && word_is(r, 1, "SLOTS"))
		serve_slots(fake, reply);
	else
		fake__print(reply, "-ERR unknown command '%.40s'\r\n", r->text);
}
