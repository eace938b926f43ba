/*
 * Open loop: lookups and events at the times of the trace, scaled to a
 * window, on a thread each, which waits for its next time but never for the
 * other or for an answer.
 *
 *   reader  due ...... look up, done         core 0
 *   writer  due ...... apply, done           core 1
 *              waits      service
 *
 * A thread that is late goes on at once, so that what is due waits as in a
 * queue, and the time from due to done has it.  The trace has ten requests
 * at a time, on the mean, every 3 s.  Whatever has not ended with the window
 * is waited for and counts: blocks per second are those of all lookups and
 * events over the time up to the last one done.  Each window begins with an
 * empty index.
 */
#define _GNU_SOURCE /* threads on cores of their own */

#include "bench_index.h"

#include <pthread.h>
#include <sched.h>

enum { SPIN_NS = 100000, LEAD_NS = 20000000 };

struct lane {
	struct setup *s;
	aibrix_index *index;
	aibrix_index_reader *reader; /* NULL: it writes */
	uint64_t start, window;      /* ns */
	uint64_t end;                /* ns: the last was done */
	double cpu;                  /* ns, without waiting */
	double *service, *total;     /* ns each */
	uint32_t n;
};

/* This is about two cores; on one, or where it is not allowed, the threads
 * are where the system puts them. */
static void
lane_pin(const struct lane *lane)
{
#ifdef __linux__
	cpu_set_t all, one;
	int want = !lane->reader, seen = 0;

	if (sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) < 2)
		return;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &all) && seen++ == want)
			CPU_SET(i, &one);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
#else
	(void)lane;
#endif
}

/* Sleeps, then spins; not at all when it is late. */
static void
due_wait(uint64_t due)
{
	uint64_t wake = due - SPIN_NS;
	struct timespec t = {(time_t)(wake / 1000000000),
			     (long)(wake % 1000000000)};

	if (bench_now() < wake)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	while (bench_now() < due)
		continue;
}

static void
lane_do(struct lane *lane, const struct corpus_event *e)
{
	static aibrix_match out[OWNERS];
	const struct corpus *c = &lane->s->corpus;
	uint32_t found;

	if (lane->reader)
		bench_check(!aibrix_index_lookup(lane->reader,
						 c->hashes + e->first, e->n,
						 out, OWNERS, &found),
			    "lookup");
	else
		event_apply(lane->index, c, e);
}

static void *
lane_run(void *arg)
{
	struct lane *lane = arg;
	const struct corpus *c = &lane->s->corpus;
	uint64_t last = 0;
	double cpu = 0;

	lane_pin(lane);
	for (uint64_t i = 0; i < c->n_events; i++) {
		const struct corpus_event *e = &c->events[i];
		uint64_t begin, due = lane->start;

		if ((e->kind == CORPUS_LOOKUP) != !!lane->reader)
			continue;
		due += (uint64_t)((double)e->at_ms / (double)c->end_ms *
				  (double)lane->window);
		/* The clock is read when there may have been a wait. */
		if (due != last) {
			lane->cpu += last ? cpu_now() - cpu : 0;
			due_wait(due);
			cpu = cpu_now();
			last = due;
		}
		begin = bench_now();
		lane_do(lane, e);
		lane->end = bench_now();
		lane->service[lane->n] = (double)(lane->end - begin);
		lane->total[lane->n++] = (double)(lane->end - due);
	}
	lane->cpu += cpu_now() - cpu;
	qsort(lane->service, lane->n, sizeof(double), bench_order);
	qsort(lane->total, lane->n, sizeof(double), bench_order);
	return NULL;
}

static void
lane_init(struct lane *lane, struct setup *s, aibrix_index *index,
	  uint64_t window)
{
	*lane = (struct lane){.s = s, .index = index, .window = window};
	lane->service = calloc(s->corpus.n_events, sizeof(double));
	lane->total = calloc(s->corpus.n_events, sizeof(double));
	bench_check(lane->service && lane->total, "memory");
}

static void
lane_free(struct lane *lane)
{
	free(lane->service);
	free(lane->total);
}

static void
open_print(const struct bench *b, const char *what, uint32_t window_ms,
	   const double *ns, uint32_t n, const char *text)
{
	char name[64], note[240];
	struct bench_row row = {.name = name, .unit = "ns", .note = note};
	struct bench_result r = {.value = bench_share(ns, n, 0.5),
				 .p10 = bench_share(ns, n, 0.1),
				 .p90 = bench_share(ns, n, 0.9),
				 .peer_value = NAN,
				 .ratio = NAN,
				 .n = n};

	snprintf(name, sizeof(name), "open_%ums_%s", window_ms, what);
	snprintf(note, sizeof(note), "%s; p99 %.0f p99.9 %.0f ns", text,
		 bench_share(ns, n, 0.99), bench_share(ns, n, 0.999));
	bench_print(b, &row, NULL, &r);
}

static void
window_print(struct setup *s, const struct lane *reader,
	     const struct lane *writer, uint32_t window_ms)
{
	const struct corpus *c = &s->corpus;
	double events = (double)(c->stored + c->removed);
	double all = (double)c->lookups + events;
	double window = (double)reader->window, took, share;
	uint64_t end = reader->end > writer->end ? reader->end : writer->end;
	char name[64], note[160];
	struct bench_row row = {.name = name, .unit = "ns", .note = note};

	took = (double)(end - reader->start);
	/* The last is due at the very end of the window. */
	share = window / (took > window ? took : window);
	snprintf(note, sizeof(note),
		 "%s; a block, of the thread that writes; %.4g M blocks/s "
		 "offered, %.4g done, %s",
		 s->note, all / window * 1e3, all / took * 1e3,
		 share >= 0.99  ? "sustained"
		 : share > 0.91 ? "kept up"
				: "not kept up");
	snprintf(name, sizeof(name), "open_%ums_cpu", window_ms);
	bench_counted(s->b, &row, writer->cpu / events);
	snprintf(note, sizeof(note), "%s; a lookup itself", s->note);
	open_print(s->b, "service", window_ms, reader->service, reader->n,
		   note);
	snprintf(note, sizeof(note), "%s; a lookup from due to done", s->note);
	open_print(s->b, "lookup", window_ms, reader->total, reader->n, note);
	snprintf(note, sizeof(note), "%s; an event from due to done", s->note);
	open_print(s->b, "event", window_ms, writer->total, writer->n, note);
}

static void
window_run(struct setup *s, uint32_t window_ms)
{
	uint64_t window = (uint64_t)window_ms * 1000000;
	aibrix_index *index = index_new(s->alloc, OWNERS);
	struct lane reader, writer;
	pthread_t reads, writes;

	lane_init(&reader, s, index, window);
	lane_init(&writer, s, index, window);
	bench_check(!aibrix_index_reader_new(index, &reader.reader), "reader");
	reader.start = writer.start = bench_now() + LEAD_NS;
	bench_check(!pthread_create(&reads, NULL, lane_run, &reader), "thread");
	bench_check(!pthread_create(&writes, NULL, lane_run, &writer),
		    "thread");
	pthread_join(reads, NULL);
	pthread_join(writes, NULL);
	window_print(s, &reader, &writer, window_ms);
	aibrix_index_reader_free(reader.reader);
	aibrix_index_free(index);
	lane_free(&reader);
	lane_free(&writer);
}

void
open_rows(const struct bench *b, enum corpus_route route, uint32_t window_ms)
{
	static const uint32_t windows[] = {8000, 4000, 2000, 1000};
	struct setup s;

	setup_init(&s, b, route, OWNERS);
	if (b->quick && !window_ms)
		window_ms = 50;
	for (uint32_t i = 0; i < sizeof(windows) / sizeof(*windows); i++)
		if (!window_ms)
			window_run(&s, windows[i]);
	if (window_ms)
		window_run(&s, window_ms);
	setup_free(&s);
}
