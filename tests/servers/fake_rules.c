/*
 * Which rule a command meets, and what the rule makes of its reply: bytes of
 * the connection's stream, and marks that say what happens between them.
 *
 *   FAKE_HOLD, n = 4       $5\r\n | hello\r\n
 *                               MARK_HOLD
 *
 * Most faults are a change of the bytes; only those that end a connection or
 * need time are marks.
 */

#include "fake_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
fake__complain(struct fake *fake, const struct fake_conn *conn,
	       const char *format, ...)
{
	size_t cap = sizeof(fake->complaint);
	va_list args;
	int n;

	/* The first one counts. */
	if (fake->complaint[0])
		return;
	n = snprintf(fake->complaint, cap, "connection %u: ", conn->number);
	va_start(args, format);
	vsnprintf(fake->complaint + n, cap - (size_t)n, format, args);
	va_end(args);
}

static int
rule_is_of(const struct fake_rule *rule, const struct fake_conn *conn)
{
	return rule->conn == 0 || rule->conn == conn->number;
}

/* The next step of the connection's script. */
static const struct fake_rule *
step(struct fake *fake, struct fake_conn *conn, const char *text)
{
	const struct fake_rule *rule = &fake->rules[conn->step];

	while (rule->on && !rule_is_of(rule, conn))
		rule = &fake->rules[++conn->step];
	if (rule->on && fake__matches(text, rule->on)) {
		conn->step++;
		return rule;
	}
	if (text[0] == '(')
		return NULL;
	fake__complain(fake, conn, "step %u: '%s' expected, '%s' came",
		       conn->step + 1, rule->on ? rule->on : "nothing", text);
	fake__mark(conn, MARK_RESET, 0, 0);
	return NULL;
}

static int
counts(const struct fake_rule *rule, int64_t number)
{
	if (rule->nth == 0)
		return 1;
	return number == rule->nth ||
	       (number > rule->nth &&
		(rule->until == FAKE_FOREVER || number <= rule->until));
}

const struct fake_rule *
fake__rule(struct fake *fake, struct fake_conn *conn, const char *text)
{
	const struct fake_rule *found = NULL;

	if (!fake->rules)
		return NULL;
	if (fake->script)
		return step(fake, conn, text);
	for (size_t i = 0; fake->rules[i].on; i++) {
		const struct fake_rule *rule = &fake->rules[i];

		if (!rule_is_of(rule, conn) || !fake__matches(text, rule->on))
			continue;
		fake->matched[i]++;
		if (!found && counts(rule, (int64_t)fake->matched[i]))
			found = rule;
	}
	return found;
}

static int
rule_of_bytes(const struct fake_rule *rule, const struct fake_conn *conn)
{
	return rule_is_of(rule, conn) && strcmp(rule->on, "(bytes)") == 0;
}

size_t
fake__may_receive(const struct fake *fake, const struct fake_conn *conn,
		  size_t n)
{
	for (size_t i = 0; fake->rules && fake->rules[i].on; i++) {
		const struct fake_rule *rule = &fake->rules[i];
		uint64_t nth = (uint64_t)rule->nth;

		if (rule_of_bytes(rule, conn) && nth > conn->received &&
		    nth - conn->received < n)
			n = nth - conn->received;
	}
	return n;
}

const struct fake_rule *
fake__rule_of_bytes(const struct fake *fake, const struct fake_conn *conn)
{
	for (size_t i = 0; fake->rules && fake->rules[i].on; i++) {
		const struct fake_rule *rule = &fake->rules[i];

		if (rule_of_bytes(rule, conn) &&
		    (uint64_t)rule->nth == conn->received)
			return rule;
	}
	return NULL;
}

/* n more in the number of "$5\r\n..." and the like, or another text there. */
static void
length_change(struct fake_bytes *reply, const struct fake_rule *rule)
{
	const char *end = memchr(reply->at, '\r', reply->n);
	struct fake_bytes changed = {0};
	size_t line = end ? (size_t)(end - reply->at) : 0;

	if (line < 2)
		return;
	fake__append(&changed, reply->at, 1);
	if (rule->text)
		fake__print(&changed, "%s", rule->text);
	else
		fake__print(&changed, "%lld",
			    strtoll(reply->at + 1, NULL, 10) +
				    (long long)rule->n);
	fake__append(&changed, end, reply->n - line);
	fake__free(reply);
	*reply = changed;
}

static void
bit_flip(struct fake_bytes *reply, size_t from, int64_t n)
{
	size_t byte = from + (size_t)(n / 8);

	if (byte < reply->n)
		reply->at[byte] ^= (char)(1 << (n % 8));
}

static void
value_flip(struct fake_bytes *reply, int64_t n)
{
	const char *end = memchr(reply->at, '\n', reply->n);

	if (end && reply->at[0] == '$')
		bit_flip(reply, (size_t)(end - reply->at) + 1, n);
}

/* Faults that are other bytes. */
static void
reply_change(struct fake_conn *conn, const struct fake_rule *rule,
	     struct fake_bytes *reply)
{
	struct fake_bytes copy = {0};

	if (rule->text && rule->act != FAKE_LENGTH) {
		reply->n = 0;
		fake__append(reply, rule->text,
			     rule->text_bytes ? rule->text_bytes
					      : strlen(rule->text));
	}
	/* The others have nothing to change. */
	if (reply->n == 0 && rule->act != FAKE_STALE)
		return;
	switch (rule->act) {
	case FAKE_TWICE:
		fake__append(&copy, reply->at, reply->n);
		fake__append(reply, copy.at, copy.n);
		fake__free(&copy);
		break;
	case FAKE_STALE:
		reply->n = 0;
		fake__append(reply, conn->last.at, conn->last.n);
		break;
	case FAKE_LENGTH: length_change(reply, rule); break;
	case FAKE_FLIP: bit_flip(reply, 0, rule->n); break;
	case FAKE_FLIP_VALUE: value_flip(reply, rule->n); break;
	case FAKE_SWALLOW: reply->n = 0; break;
	default: break;
	}
}

/* The byte of the reply that n means. */
static uint64_t
byte_of(const struct fake_bytes *reply, int64_t n)
{
	int64_t all = (int64_t)reply->n;

	if (n < 0)
		n = all + n > 0 ? all + n : 0;
	return (uint64_t)(n < all ? n : all);
}

/* Faults that end the connection: what is behind the mark is not sent. */
static void
reply_end(struct fake_conn *conn, const struct fake_rule *rule,
	  struct fake_bytes *reply)
{
	reply->n = byte_of(reply, rule->n);
	fake__append(&conn->out, reply->at, reply->n);
	/* A reset takes away what was sent and not read. */
	if (rule->act == FAKE_RESET && reply->n > 0)
		fake__mark(conn, MARK_PIECE, 0, 0);
	fake__mark(conn,
		   rule->act == FAKE_CUT     ? MARK_CUT
		   : rule->act == FAKE_RESET ? MARK_RESET
					     : MARK_STALL,
		   0, 0);
}

/* Faults that are a matter of time. */
static void
reply_pace(const struct fake *fake, struct fake_conn *conn,
	   const struct fake_rule *rule, struct fake_bytes *reply)
{
	uint64_t n = byte_of(reply, rule->n), done = 0;

	if (rule->act == FAKE_DRIP && rule->n == 0)
		n = reply->n;
	if (rule->act == FAKE_DELAY)
		fake__mark(conn, MARK_DELAY, 0,
			   fake->commands + (uint64_t)rule->n);
	while (rule->act == FAKE_DRIP && done + 1 < reply->n && done < n) {
		fake__append(&conn->out, reply->at + done++, 1);
		fake__mark(conn, MARK_PIECE, 0, 0);
	}
	if (rule->act == FAKE_SPLIT || rule->act == FAKE_HOLD) {
		fake__append(&conn->out, reply->at, n);
		fake__mark(conn,
			   rule->act == FAKE_HOLD ? MARK_HOLD : MARK_PIECE, 0,
			   0);
		done = n;
	}
	fake__append(&conn->out, reply->at + done, reply->n - done);
}

static void
later_put(struct fake_conn *conn, int64_t n, struct fake_bytes *reply)
{
	for (size_t i = 0; i < FAKE_LATERS; i++) {
		if (conn->later[i].reply.n > 0)
			continue;
		conn->later[i].reply = *reply;
		conn->later[i].left = n;
		memset(reply, 0, sizeof(*reply));
		return;
	}
	abort();
}

/* One more reply was sent: some have waited for it. */
static void
later_count(struct fake_conn *conn)
{
	for (size_t i = 0; i < FAKE_LATERS; i++) {
		struct fake_later *later = &conn->later[i];

		if (later->reply.n == 0 || --later->left > 0)
			continue;
		fake__append(&conn->out, later->reply.at, later->reply.n);
		fake__free(&later->reply);
	}
}

void
fake__reply(struct fake *fake, struct fake_conn *conn,
	    const struct fake_rule *rule, struct fake_bytes *reply)
{
	static const struct fake_rule plain = {.act = FAKE_SAY};
	struct fake_bytes told = {0};

	rule = rule ? rule : &plain;
	fake__append(&told, reply->at, reply->n);
	reply_change(conn, rule, reply);
	switch (rule->act) {
	case FAKE_CUT:
	case FAKE_RESET:
	case FAKE_STALL: reply_end(conn, rule, reply); break;
	case FAKE_LATER: later_put(conn, rule->n, reply); break;
	default:
		reply_pace(fake, conn, rule, reply);
		later_count(conn);
		break;
	}
	fake__free(&conn->last);
	conn->last = told;
	fake__free(reply);
}
