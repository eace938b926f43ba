/*
 * What the decoder says of a stream of replies, and two programs on it.
 *
 * resp_read lists the events of a stream that arrives in random pieces:
 * payloads are fed or received straight, into one place or scattered memory.
 *
 * resp_hostile: bytes are a stream, which says the same whole and in pieces.
 * resp_program_run: bytes are a program that writes replies, and beside them
 * the events they stand for; the decoder must tell just these.
 *
 * Both return NULL, or what differed.
 */
#ifndef MODEL_RESP_PROGRAM_H
#define MODEL_RESP_PROGRAM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aibrix/base.h>

#include "base/rand.h"
#include "store/resp.h"

enum { EVENTS = 6000, BULK_MAX = 300, STREAM = 16384, PIECE = 64 };

/* Planted in the model, never in the decoder. */
enum { NO_FAULT, FAULT_EMPTY_IS_NIL, FAULT_ARRAY_ENDS_EARLY };

struct resp_note {
	uint32_t kind, error, depth, ends;
	int64_t number;
	uint64_t bytes; /* a digest of text or payload */
};

struct resp_notes {
	struct resp_note note[EVENTS];
	uint32_t n;
	int status;
	size_t used; /* of the stream */
};

static inline uint64_t
bytes_digest(const void *bytes, uint64_t n)
{
	const uint8_t *p = bytes;
	uint64_t x = n + 1;

	for (uint64_t i = 0; i < n; i++)
		x = mix64(x ^ p[i]) + 1;
	return x;
}

struct resp_reading {
	struct resp r;
	uint8_t payload[BULK_MAX];
	aibrix_iov iov[4];
	uint64_t rand; /* 0: whole, fed, in one place */
};

/* A place for n bytes, in one to three pieces, one of them perhaps empty. */
static inline int
place_name(struct resp_reading *s, uint64_t n)
{
	uint64_t cut = 0, cut2 = 0;

	memset(s->payload, 0xee, sizeof(s->payload));
	if (s->rand) {
		cut = rand_below(&s->rand, (uint32_t)n + 1);
		cut2 = cut + rand_below(&s->rand, (uint32_t)(n - cut) + 1);
	}
	s->iov[0] = (aibrix_iov){s->payload, cut};
	s->iov[1] = (aibrix_iov){NULL, 0};
	s->iov[2] = (aibrix_iov){s->payload + cut, cut2 - cut};
	s->iov[3] = (aibrix_iov){s->payload + cut2, n - cut2};
	return aibrix__resp_into(&s->r, s->iov, 4);
}

static inline void
event_note(struct resp_notes *to, const struct resp_reading *s,
	   const struct resp_event *e)
{
	struct resp_note *note = &to->note[to->n];

	if (to->n == EVENTS)
		abort();
	to->n++;
	*note = (struct resp_note){e->kind, e->error,  e->depth,
				   e->ends, e->number, 0};
	if (e->kind == RESP_SIMPLE || e->kind == RESP_ERROR)
		note->bytes = bytes_digest(e->text, e->text_bytes);
	if (e->host)
		note->bytes ^= bytes_digest(e->host, e->host_bytes) + e->slot +
			       ((uint64_t)e->port << 32);
	if (e->kind == RESP_BULK_END)
		note->bytes = bytes_digest(s->payload, (uint64_t)e->number);
}

/* As readv would: straight to where the payload belongs; how many bytes. */
static inline size_t
payload_receive(struct resp_reading *s, const uint8_t *in, size_t n)
{
	struct iovec want[2];
	const uint32_t pieces = aibrix__resp_want(&s->r, want, 2);
	size_t done = 0;

	for (uint32_t i = 0; i < pieces && done < n; i++) {
		const size_t room = want[i].iov_len;
		const size_t some = room < n - done ? room : n - done;

		memcpy(want[i].iov_base, in + done, some);
		done += some;
	}
	if (done && aibrix__resp_received(&s->r, done))
		abort();
	return done;
}

static inline size_t
piece_size(struct resp_reading *s, size_t left)
{
	const size_t n = s->rand ? 1 + rand_below(&s->rand, PIECE) : left;

	return n < left ? n : left;
}

/* rand 0: the whole stream at once. */
static inline void
resp_read(const uint8_t *in, size_t n, uint64_t seed, struct resp_notes *to)
{
	struct resp_reading s = {.rand = seed};
	struct resp_event e;
	size_t at = 0, used;

	to->n = 0;
	to->status = AIBRIX_OK;
	aibrix__resp_init(&s.r, BULK_MAX);
	while (at < n && to->status == AIBRIX_OK) {
		const size_t some = piece_size(&s, n - at);

		if (s.rand && rand_below(&s.rand, 2)) {
			used = payload_receive(&s, in + at, some);
			at += used;
			if (used)
				continue;
		}
		to->status = aibrix__resp_feed(&s.r, in + at, some, &used, &e);
		at += used;
		if (to->status || e.kind == RESP_NONE)
			continue;
		event_note(to, &s, &e);
		if (e.kind == RESP_BULK &&
		    place_name(&s, (uint64_t)e.number) != AIBRIX_OK)
			abort();
	}
	to->used = at;
}

static inline const char *
notes_differ(const struct resp_notes *a, const struct resp_notes *b)
{
	if (a->status != b->status)
		return "status";
	if (a->used != b->used)
		return "bytes used";
	if (a->n != b->n)
		return "number of events";
	for (uint32_t i = 0; i < a->n; i++) {
		const struct resp_note *x = &a->note[i], *y = &b->note[i];

		if (x->kind != y->kind || x->error != y->error)
			return "kind of an event";
		if (x->number != y->number)
			return "number of an event";
		if (x->depth != y->depth || x->ends != y->ends)
			return "place of an event";
		if (x->bytes != y->bytes)
			return "text or payload of an event";
	}
	return NULL;
}

static inline const char *
resp_hostile(const uint8_t *in, size_t n, uint64_t seed)
{
	struct resp_notes *notes = calloc(2, sizeof(*notes));
	const char *bad;

	if (!notes)
		abort();
	/* No event takes less than three bytes, two of an empty value six. */
	if (n > EVENTS)
		n = EVENTS;
	resp_read(in, n, 0, &notes[0]);
	resp_read(in, n, seed | 1, &notes[1]);
	bad = notes_differ(&notes[0], &notes[1]);
	free(notes);
	return bad;
}

/* The model: replies are written by printf, and events beside them. */
struct resp_writer {
	const uint8_t *program;
	size_t n, at;
	int fault;
	char stream[STREAM];
	size_t bytes;
	uint32_t open[RESP_DEPTH];
	uint32_t depth;
	struct resp_notes notes;
};

static inline uint32_t
program_byte(struct resp_writer *w)
{
	return w->at < w->n ? w->program[w->at++] : 0;
}

static inline void
stream_add(struct resp_writer *w, const void *bytes, size_t n)
{
	memcpy(w->stream + w->bytes, bytes, n);
	w->bytes += n;
}

static inline void
line_add(struct resp_writer *w, char type, long long number)
{
	char line[32];

	stream_add(w, line,
		   (size_t)snprintf(line, sizeof(line), "%c%lld\r\n", type,
				    number));
}

static inline void
note_add(struct resp_writer *w, uint32_t kind, int64_t number, uint64_t bytes,
	 int closes)
{
	struct resp_note *note = &w->notes.note[w->notes.n];

	if (w->notes.n == EVENTS)
		abort();
	w->notes.n++;
	*note = (struct resp_note){.kind = kind,
				   .depth = w->depth,
				   .number = number,
				   .bytes = bytes};
	if (!closes)
		return;
	while (w->depth > 0) {
		if (--w->open[w->depth - 1] > 0)
			return;
		w->depth--;
		if (w->fault == FAULT_ARRAY_ENDS_EARLY)
			break;
	}
	note->ends = 1;
}

static inline void
bulk_add(struct resp_writer *w, uint32_t n)
{
	uint8_t payload[BULK_MAX];

	/* Looks like framing wherever it can. */
	for (uint32_t i = 0; i < n; i++)
		payload[i] = (uint8_t) "\r\n$-1\r\n+OK\r\n:7\r\n"[(i + n) % 17];
	line_add(w, '$', n);
	stream_add(w, payload, n);
	stream_add(w, "\r\n", 2);
	if (n == 0 && w->fault == FAULT_EMPTY_IS_NIL) {
		note_add(w, RESP_NIL, 0, 0, 1);
		return;
	}
	note_add(w, RESP_BULK, n, 0, 0);
	note_add(w, RESP_BULK_END, n, bytes_digest(payload, n), 1);
}

static inline void
array_add(struct resp_writer *w, uint32_t n)
{
	if (w->depth == RESP_DEPTH)
		n = 0;
	line_add(w, '*', n);
	note_add(w, RESP_ARRAY, n, 0, n == 0);
	if (n > 0)
		w->open[w->depth++] = n;
}

static inline void
element_add(struct resp_writer *w)
{
	static const char text[] = "OK";
	const uint32_t what = program_byte(w) % 8;
	const uint32_t more = program_byte(w);

	switch (what) {
	case 0:
		stream_add(w, "+OK\r\n", 5);
		note_add(w, RESP_SIMPLE, 0, bytes_digest(text, 2), 1);
		break;
	case 1:
		stream_add(w, "-ERR\r\n", 6);
		note_add(w, RESP_ERROR, 0, bytes_digest("ERR", 3), 1);
		break;
	case 2:
		line_add(w, ':', (long long)more * 1000003 - 99999);
		note_add(w, RESP_INTEGER, (int64_t)more * 1000003 - 99999, 0,
			 1);
		break;
	case 3:
		line_add(w, more & 1 ? '*' : '$', -1);
		note_add(w, RESP_NIL, 0, 0, 1);
		break;
	case 4:
	case 5: array_add(w, more % 5); break;
	default: bulk_add(w, more); break;
	}
}

static inline const char *
resp_program_run(const uint8_t *program, size_t n, uint64_t seed, int fault)
{
	struct resp_writer *w = calloc(1, sizeof(*w));
	struct resp_notes *told = calloc(1, sizeof(*told));
	const char *bad;

	if (!w || !told)
		abort();
	w->program = program;
	w->n = n;
	w->fault = fault;
	while (w->at < n && w->bytes < STREAM - BULK_MAX - 32)
		element_add(w);
	w->notes.used = w->bytes;
	resp_read((const uint8_t *)w->stream, w->bytes, seed, told);
	bad = notes_differ(&w->notes, told);
	free(told);
	free(w);
	return bad;
}

#endif
