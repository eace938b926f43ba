/*
 * Writers with owners of their own and readers, on one index.
 *
 * Each writer walks its owners through random stores, removals and clears
 * of parts of a few prompts, which it simulates; before an event it notes
 * what the owner will score on each prompt afterwards:
 *
 *	scores[event], begun = event, apply, done = event
 *
 * A reader notes done of every owner, looks a prompt up, and notes begun.
 * One event only lets a score grow, or only lets it fall.  So whatever was
 * in flight, the score of an owner lies between the least and the most that
 * it had after the events from done to begun: what was applied is seen, and
 * no answer mixes one state's head with another state's tail.
 *
 * All events are logged.  Replayed one owner after the other into the simple
 * index, they must lead to the same state: that no event depends on another
 * owner's is seen to by the choice of parents and names.
 *
 * Two rounds: in the first all owners use the same names and owner 0 holds
 * some of the prompts throughout; in the second the owners' names contradict
 * each other, and whatever all give up is forgotten.
 */

#include <pthread.h>

#include "index_events.h"

static void
commit(struct worker *w, struct owner_log *o, const struct event *e)
{
	struct stress *s = w->s;
	uint32_t event = atomic_load(&o->begun) + 1;

	simulate(s, o, e);
	for (uint32_t p = 0; p < PROMPTS; p++) {
		o->scores[event][p][0] = (uint8_t)score_of(s, o, p, 0);
		o->scores[event][p][1] = (uint8_t)score_of(s, o, p, 1);
	}
	atomic_store(&o->begun, event);
	/* Nothing of the event is seen by who does not see begun. */
	atomic_thread_fence(memory_order_seq_cst);
	must(s, apply(s, e, NULL) == AIBRIX_OK, "an event is refused");
	atomic_store(&o->done, event);
	w->log[w->n_log++] = *e;
}

static void *
writer_run(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < EVENTS && !w->s->failed; i++) {
		uint32_t which = w->first + rand_below(&w->seed, EACH);
		struct owner_log *o = &w->s->owners[which];
		struct event e = {0};

		/* Room for the second half of a pair. */
		if (atomic_load(&o->begun) + 2 > EVENTS)
			continue;
		choose(w, o, &e);
		commit(w, o, &e);
		if (e.kind == LEAVE || e.kind == BRANCH) {
			e.kind = e.kind == LEAVE ? RETURN : PRUNE;
			e.parent = 0;
			commit(w, o, &e);
		}
	}
	atomic_fetch_sub(&w->s->writers, 1);
	return NULL;
}

static void
score_check(struct stress *s, const struct owner_log *o, uint32_t prompt,
	    uint32_t from, const aibrix_match *row)
{
	uint32_t to = atomic_load(&o->begun);
	uint32_t got[2] = {row ? row->held : 0, row ? row->device : 0};

	for (int device = 0; device < 2; device++) {
		uint32_t least = LENGTH, most = 0;

		for (uint32_t i = from; i <= to; i++) {
			uint32_t score = o->scores[i][prompt][device];

			least = score < least ? score : least;
			most = score > most ? score : most;
		}
		if (got[device] < least || got[device] > most) {
			printf("# owner %u, prompt %u, events %u to %u: %u "
			       "blocks%s, not %u to %u\n",
			       o->number, prompt, from, to, got[device],
			       device ? " on the device" : "", least, most);
			must(s, 0, "a score that no state of its owner had");
		}
	}
}

static void
reader_look(struct stress *s, aibrix_index_reader *reader, uint32_t prompt)
{
	uint32_t from[OWNERS], n, at = 0;
	aibrix_match out[OWNERS + 1];

	for (uint32_t i = 0; i < OWNERS; i++)
		from[i] = atomic_load(&s->owners[i].done);
	must(s,
	     !aibrix_index_lookup(reader, s->hashes[prompt], LENGTH, out,
				  OWNERS + 1, &n),
	     "a lookup fails");
	atomic_thread_fence(memory_order_seq_cst);
	if (held_throughout(s, prompt))
		must(s,
		     n && out[0].owner == 0 &&
			     out[0].held == held_throughout(s, prompt) &&
			     out[0].device == out[0].held,
		     "owner 0 holds what it holds");
	at = n && out[0].owner == 0;
	for (uint32_t i = 0; i < OWNERS; i++) {
		struct owner_log *o = &s->owners[i];
		const aibrix_match *row = at < n && out[at].owner == o->number
						  ? &out[at++]
						  : NULL;

		score_check(s, o, prompt, from[i], row);
	}
	must(s, at == n, "a lookup names others, or not in order");
}

/* Several prompts at once: the rows of each as one by one. */
static void
reader_batch(struct stress *s, aibrix_index_reader *reader)
{
	uint32_t from[OWNERS], ends[PROMPTS], n, at = 0;
	aibrix_match out[PROMPTS * (OWNERS + 1)];
	uint64_t lengths[PROMPTS];

	for (uint32_t p = 0; p < PROMPTS; p++)
		lengths[p] = (p + 1) * (uint64_t)LENGTH;
	for (uint32_t i = 0; i < OWNERS; i++)
		from[i] = atomic_load(&s->owners[i].done);
	must(s,
	     !aibrix_index_lookup_batch(reader, s->hashes[0], lengths, PROMPTS,
					out, PROMPTS * (OWNERS + 1), ends, &n),
	     "a batch fails");
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t p = 0; p < PROMPTS; p++) {
		at += at < ends[p] && out[at].owner == 0;
		for (uint32_t i = 0; i < OWNERS; i++) {
			struct owner_log *o = &s->owners[i];
			const aibrix_match *row = NULL;

			if (at < ends[p] && out[at].owner == o->number)
				row = &out[at++];
			score_check(s, o, p, from[i], row);
		}
		must(s, at == ends[p], "a batch names others");
	}
}

static void *
reader_run(void *arg)
{
	struct stress *s = arg;
	aibrix_index_reader *reader;
	uint64_t seed = atomic_fetch_add(&s->lookups, 1);

	if (aibrix_index_reader_new(s->index, &reader)) {
		must(s, 0, "no reader");
		return NULL;
	}
	while (atomic_load(&s->writers) && !s->failed) {
		if (rand_below(&seed, 16) == 0)
			reader_batch(s, reader);
		else
			reader_look(s, reader, rand_below(&seed, PROMPTS));
		atomic_fetch_add(&s->lookups, 1);
		/* A reader that comes and goes finds its place again. */
		if (rand_below(&seed, 64) == 0) {
			aibrix_index_reader_free(reader);
			if (aibrix_index_reader_new(s->index, &reader))
				abort();
		}
	}
	aibrix_index_reader_free(reader);
	return NULL;
}

static void
owner_0_store(struct stress *s, simple_index *ref)
{
	for (uint32_t p = 0; p < PROMPTS; p++) {
		struct event e = {.kind = STORE, .prompt = (uint8_t)p};

		e.n = held_throughout(s, p);
		/* Shared heads once only. */
		e.from = (uint8_t)(p == 1 ? 16 : p == 2 ? 30 : 0);
		e.parent = e.from;
		e.n = e.n > e.from ? e.n - e.from : 0;
		if (e.n)
			must(s, apply(s, &e, ref) == AIBRIX_OK, "of owner 0");
	}
}

static void
replay(struct stress *s, struct worker *writers, struct diff *d)
{
	diff_must(!simple_index_owner_add(d->ref, 0));
	for (uint32_t i = 0; i < OWNERS; i++)
		diff_must(!simple_index_owner_add(d->ref, s->owners[i].number));
	owner_0_store(s, d->ref);
	for (uint32_t w = 0; w < WRITERS; w++)
		for (uint32_t i = 0; i < writers[w].n_log; i++)
			must(s, !apply(s, &writers[w].log[i], d->ref),
			     "a replayed event is refused");
}

/* Lookups, counters and the whole state, but for what depends on who was
 * the first to use a name. */
static void
finals_compare(struct stress *s, struct worker *writers)
{
	struct diff d;

	diff_begin(&d, MAX_OWNERS);
	aibrix_index_reader_free(d.reader);
	aibrix_index_free(d.index);
	d.index = s->index;
	diff_must(!aibrix_index_reader_new(d.index, &d.reader));
	replay(s, writers, &d);
	d.skip_twins = s->round == ROUND_OWN;
	diff_stats(&d);
	for (uint32_t p = 0; p < PROMPTS; p++)
		diff_lookup(&d, s->hashes[p], LENGTH);
	if (s->round == ROUND_COMMON)
		diff_state(&d, 0);
	must(s, !d.bad[0], d.bad);
	diff_end(&d);
}

static struct stress *
stress_begin(int round)
{
	aibrix_index_opts opts = {.size = sizeof(opts),
				  .max_owners = MAX_OWNERS};
	struct stress *s = calloc(1, sizeof(*s));

	diff_must(s && !aibrix_index_new(&opts, &s->index) &&
		  !aibrix_index_owner_add(s->index, 0));
	s->round = round;
	prompts_make(s);
	for (uint32_t i = 0; i < OWNERS; i++) {
		s->owners[i].number = STEP * (i + 1);
		diff_must(
			!aibrix_index_owner_add(s->index, s->owners[i].number));
	}
	owner_0_store(s, NULL);
	s->writers = WRITERS;
	return s;
}

static int
round_run(int round)
{
	struct stress *s = stress_begin(round);
	struct worker *writers = calloc(WRITERS, sizeof(*writers));
	pthread_t threads[WRITERS + READERS];
	int failed;

	diff_must(writers != NULL);
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i].s = s;
		writers[i].first = i * EACH;
		writers[i].seed = (uint64_t)round * WRITERS + i + 1;
	}
	for (uint32_t i = 0; i < READERS; i++)
		diff_must(!pthread_create(&threads[WRITERS + i], NULL,
					  reader_run, s));
	for (uint32_t i = 0; i < WRITERS; i++)
		diff_must(!pthread_create(&threads[i], NULL, writer_run,
					  &writers[i]));
	for (uint32_t i = 0; i < WRITERS + READERS; i++)
		pthread_join(threads[i], NULL);
	finals_compare(s, writers);
	failed = s->failed != 0;
	printf("round %d: %u events, %u lookups: %s\n", round,
	       writers[0].n_log + writers[1].n_log + writers[2].n_log,
	       s->lookups, failed ? "failed" : "ok");
	free(writers);
	free(s);
	return failed;
}

int
main(void)
{
	int failed = round_run(ROUND_COMMON);

	failed |= round_run(ROUND_OWN);
	return failed;
}
