/*
 * The state: made, saved, loaded.
 *
 *	| head, advice, events, panics | long, short | long, short | ... | delay
 *| metric 0      metric 1
 *
 * Saved it is the same numbers in little-endian order behind a head, and a
 * checksum: a scaler that starts again goes on where it was, where one that
 * begins anew would hold for a window or, worse, not know that it is in
 * panic.
 */

#include <string.h>

#include "base/xxh.h"
#include "scale/scale_internal.h"

enum {
	MAGIC = 0x6c637361, /* "ascl" */
	VERSION = 1,
	SUM_BYTES = 8,
	HEAD_BYTES = 80,
	ITEM_BYTES = 16,
	PANIC_BYTES = 16
};

static void *
state_window(aibrix_scale_state *s, uint64_t offset)
{
	return &s->windows[offset / sizeof(uint64_t)];
}

aibrix_window *
aibrix__state_stable(aibrix_scale_state *s, uint32_t metric)
{
	return state_window(s, metric * (s->stable_bytes + s->panic_bytes));
}

aibrix_window *
aibrix__state_panic(aibrix_scale_state *s, uint32_t metric)
{
	return state_window(s, metric * (s->stable_bytes + s->panic_bytes) +
				       s->stable_bytes);
}

aibrix_window *
aibrix__state_delay(aibrix_scale_state *s)
{
	if (s->delay_bytes == 0)
		return NULL;
	return state_window(s,
			    s->n_metrics * (s->stable_bytes + s->panic_bytes));
}

static aibrix_window_opts
window_opts(const struct plan *plan, uint64_t window_ns)
{
	return (aibrix_window_opts){.size = sizeof(aibrix_window_opts),
				    .kind = plan->o.profile ==
							    AIBRIX_SCALE_COMPAT
						    ? AIBRIX_WINDOW_LATEST
						    : AIBRIX_WINDOW_MEAN,
				    .window_ns = window_ns,
				    .slot_ns = plan->o.slot_ns};
}

static aibrix_window_opts
delay_opts(const struct plan *plan)
{
	aibrix_window_opts o = window_opts(plan, plan->o.delay_ns);

	o.kind = AIBRIX_WINDOW_MAX;
	return o;
}

/* Lengths of the windows into a state's head; *bytes: of all. */
static int
state_measure(const struct plan *plan, aibrix_scale_state *s, uint64_t *bytes)
{
	aibrix_window_opts stable = window_opts(plan, plan->o.stable_ns);
	aibrix_window_opts panic = window_opts(plan, plan->o.panic_ns);
	aibrix_window_opts delay = delay_opts(plan);
	int err = AIBRIX_OK;

	s->strategy = plan->o.strategy;
	s->profile = plan->o.profile;
	s->n_metrics = plan->o.n_metrics;
	s->stable_bytes = s->panic_bytes = s->delay_bytes = 0;
	if (s->strategy < AIBRIX_SCALE_HPA) {
		err = aibrix_window_bytes(&stable, &s->stable_bytes);
		if (!err)
			err = aibrix_window_bytes(&panic, &s->panic_bytes);
	}
	if (!err && plan->o.delay_ns)
		err = aibrix_window_bytes(&delay, &s->delay_bytes);
	if (!err)
		*bytes = sizeof(*s) + s->delay_bytes +
			 s->n_metrics * (s->stable_bytes + s->panic_bytes);
	return err;
}

int
aibrix_scale_state_bytes(const aibrix_scale_opts *opts, uint64_t *bytes)
{
	aibrix_scale_state head;
	struct plan plan;
	int err = aibrix__plan_load(&plan, opts);

	if (err)
		return err;
	return bytes ? state_measure(&plan, &head, bytes) : AIBRIX_E_INVAL;
}

static int
windows_init(const struct plan *plan, aibrix_scale_state *s)
{
	aibrix_window_opts stable = window_opts(plan, plan->o.stable_ns);
	aibrix_window_opts panic = window_opts(plan, plan->o.panic_ns);
	aibrix_window_opts delay = delay_opts(plan);
	aibrix_window *w;
	int err = AIBRIX_OK;

	for (uint32_t i = 0; !err && s->stable_bytes && i < s->n_metrics; i++) {
		err = aibrix_window_init(&stable, aibrix__state_stable(s, i),
					 s->stable_bytes, &w);
		if (!err)
			err = aibrix_window_init(&panic,
						 aibrix__state_panic(s, i),
						 s->panic_bytes, &w);
	}
	if (!err && s->delay_bytes)
		err = aibrix_window_init(&delay, aibrix__state_delay(s),
					 s->delay_bytes, &w);
	return err;
}

int
aibrix_scale_state_init(const aibrix_scale_opts *opts, void *memory,
			uint64_t bytes, aibrix_scale_state **out)
{
	aibrix_scale_state head = {0}, *s = memory;
	struct plan plan;
	uint64_t need;
	int err = aibrix__plan_load(&plan, opts);

	if (err)
		return err;
	if (!memory || !out || (uintptr_t)memory % sizeof(uint64_t) != 0)
		return AIBRIX_E_INVAL;
	err = state_measure(&plan, &head, &need);
	if (err)
		return err;
	if (bytes < need)
		return AIBRIX_E_SPACE;
	*s = head;
	err = windows_init(&plan, s);
	if (!err)
		*out = s;
	return err;
}

int
aibrix__state_fits(aibrix_scale_state *s, const struct plan *plan)
{
	aibrix_scale_state head = {0};
	uint64_t bytes;

	return state_measure(plan, &head, &bytes) == AIBRIX_OK &&
	       head.strategy == s->strategy && head.profile == s->profile &&
	       head.n_metrics == s->n_metrics &&
	       head.stable_bytes == s->stable_bytes &&
	       head.panic_bytes == s->panic_bytes &&
	       head.delay_bytes == s->delay_bytes &&
	       (s->stable_bytes == 0 ||
		aibrix__state_stable(s, 0)->slot_ns == plan->o.slot_ns) &&
	       (s->delay_bytes == 0 ||
		aibrix__state_delay(s)->slot_ns == plan->o.slot_ns);
}

/* Where window i lies, in the order in which they do; 0: there are fewer. */
static int
window_offset(const aibrix_scale_state *s, uint32_t i, uint64_t *offset)
{
	uint64_t pair = s->stable_bytes + s->panic_bytes;
	uint32_t pairs = pair ? s->n_metrics : 0;

	*offset = i / 2 * pair + (i % 2 ? s->stable_bytes : 0);
	return i < 2 * pairs || (i == 2 * pairs && s->delay_bytes > 0);
}

static const aibrix_window *
window_seen(const aibrix_scale_state *s, uint32_t i)
{
	uint64_t offset;
	const void *at;

	if (!window_offset(s, i, &offset))
		return NULL;
	at = &s->windows[offset / sizeof(uint64_t)];
	return at;
}

static aibrix_window *
window_at(aibrix_scale_state *s, uint32_t i)
{
	uint64_t offset;

	return window_offset(s, i, &offset) ? state_window(s, offset) : NULL;
}

uint64_t
aibrix_scale_state_save_bytes(const aibrix_scale_state *s)
{
	uint64_t n = HEAD_BYTES + SUM_BYTES;

	if (!s)
		return 0;
	n += (uint64_t)(s->low.n + s->high.n + s->up.n + s->down.n) *
	     ITEM_BYTES;
	n += (uint64_t)s->n_metrics * PANIC_BYTES;
	for (uint32_t i = 0; window_seen(s, i); i++)
		n += aibrix__window_save_bytes(window_seen(s, i));
	return n;
}

static void
items_save(const struct advice *item, uint32_t n, struct writer *w)
{
	for (uint32_t i = 0; i < n; i++) {
		write_u64(w, item[i].at_ns);
		write_u32(w, (uint32_t)item[i].replicas);
		write_u32(w, (uint32_t)item[i].older);
	}
}

static void
head_save(const aibrix_scale_state *s, uint32_t windows, struct writer *w)
{
	write_u32(w, MAGIC);
	write_u32(w, VERSION);
	write_u32(w, s->strategy);
	write_u32(w, s->profile);
	write_u32(w, s->n_metrics);
	write_u32(w, windows);
	write_u32(w, s->started);
	write_u32(w, s->zero);
	write_u64(w, s->last_ns);
	write_u64(w, s->asked_ns);
	write_u64(w, s->zero_ns);
	write_u32(w, (uint32_t)s->asked);
	write_u32(w, (uint32_t)s->from);
	write_u32(w, s->low.n);
	write_u32(w, s->high.n);
	write_u32(w, s->up.n);
	write_u32(w, s->down.n);
}

int
aibrix_scale_state_save(const aibrix_scale_state *s, void *out, uint64_t cap,
			uint64_t *n)
{
	uint64_t bytes;
	struct writer w;
	uint32_t windows = 0;

	if (!s || !n || (cap && !out))
		return AIBRIX_E_INVAL;
	bytes = *n = aibrix_scale_state_save_bytes(s);
	if (cap < bytes)
		return AIBRIX_E_SPACE;
	while (window_seen(s, windows))
		windows++;
	w = writer_on(out, bytes);
	head_save(s, windows, &w);
	items_save(s->low.item, s->low.n, &w);
	items_save(s->high.item, s->high.n, &w);
	items_save(s->up.item, s->up.n, &w);
	items_save(s->down.item, s->down.n, &w);
	for (uint32_t i = 0; i < s->n_metrics; i++) {
		write_u64(&w, s->panic[i].since_ns);
		write_u32(&w, (uint32_t)s->panic[i].most);
		write_u32(&w, s->panic[i].on);
	}
	for (uint32_t i = 0; i < windows; i++)
		aibrix__window_save(window_seen(s, i), &w);
	write_u64(&w, aibrix__xxh64(out, bytes - SUM_BYTES, 0));
	return AIBRIX_OK;
}

/* Items in order of time, none before the one before it. */
static int
items_load(struct advice *item, uint32_t n, int64_t shift_ns, struct reader *r)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = read_u64(r);
		uint32_t replicas = read_u32(r), older = read_u32(r);

		if (at < before || replicas > INT32_MAX || older > replicas)
			return 0;
		before = at;
		if (!time_shift(&at, shift_ns))
			return 0;
		item[i] =
			(struct advice){at, (int32_t)replicas, (int32_t)older};
	}
	return r->ok;
}

static int
panics_load(aibrix_scale_state *s, int64_t shift_ns, struct reader *r)
{
	for (uint32_t i = 0; i < s->n_metrics; i++) {
		struct panic p;
		uint32_t most;

		p.since_ns = read_u64(r);
		most = read_u32(r);
		p.on = read_u32(r);
		p.most = (int32_t)most;
		if (p.on > 1 || most > INT32_MAX || (!p.on && p.since_ns) ||
		    (p.on && (p.since_ns > s->last_ns ||
			      !time_shift(&p.since_ns, shift_ns))))
			return 0;
		s->panic[i] = p;
	}
	return r->ok;
}

/* A time that is there only when flag says so. */
static int
time_load(uint64_t *at, int flag, int64_t shift_ns)
{
	return flag ? time_shift(at, shift_ns) : *at == 0;
}

static int
head_load(aibrix_scale_state *s, uint32_t *windows, struct reader *r)
{
	*windows = read_u32(r);
	s->started = read_u32(r);
	s->zero = read_u32(r);
	s->last_ns = read_u64(r);
	s->asked_ns = read_u64(r);
	s->zero_ns = read_u64(r);
	s->asked = (int32_t)read_u32(r);
	s->from = (int32_t)read_u32(r);
	s->low.n = read_u32(r);
	s->high.n = read_u32(r);
	s->up.n = read_u32(r);
	s->down.n = read_u32(r);
	return r->ok && s->started <= 1 && s->zero <= 1 && s->asked >= 0 &&
	       s->from >= 0 && s->low.n <= ADVICE_MAX &&
	       s->high.n <= ADVICE_MAX && s->up.n <= EVENTS_MAX &&
	       s->down.n <= EVENTS_MAX && s->zero_ns <= s->last_ns &&
	       s->asked_ns <= s->last_ns;
}

/* A window of the other side goes into ours, whatever their lengths; one that
 * only they have is read and dropped. */
static int
windows_load(aibrix_scale_state *s, uint32_t windows, int64_t shift_ns,
	     struct reader *r)
{
	uint32_t own = 0;

	while (window_at(s, own))
		own++;
	for (uint32_t i = 0; i < windows && i < own; i++) {
		aibrix_window *w = window_at(s, i);

		if (!aibrix__window_load(w, r, shift_ns) ||
		    w->newest_ns > s->last_ns)
			return 0;
	}
	return 1;
}

static int
body_load(aibrix_scale_state *s, int64_t shift_ns, struct reader *r)
{
	uint32_t windows, least = s->stable_bytes ? 2 * s->n_metrics : 0;

	if (!head_load(s, &windows, r) || windows < least ||
	    windows > least + 1 ||
	    !items_load(s->low.item, s->low.n, shift_ns, r) ||
	    !items_load(s->high.item, s->high.n, shift_ns, r) ||
	    !items_load(s->up.item, s->up.n, shift_ns, r) ||
	    !items_load(s->down.item, s->down.n, shift_ns, r) ||
	    !panics_load(s, shift_ns, r))
		return 0;
	return time_load(&s->zero_ns, s->zero != 0, shift_ns) &&
	       time_load(&s->asked_ns, s->asked != s->from, shift_ns) &&
	       time_load(&s->last_ns, s->last_ns != 0, shift_ns) &&
	       windows_load(s, windows, shift_ns, r);
}

/* As it was made. */
static void
state_clear(aibrix_scale_state *s)
{
	aibrix_scale_state head = {.strategy = s->strategy,
				   .profile = s->profile,
				   .n_metrics = s->n_metrics,
				   .stable_bytes = s->stable_bytes,
				   .panic_bytes = s->panic_bytes,
				   .delay_bytes = s->delay_bytes};

	*s = head;
	for (uint32_t i = 0; window_at(s, i); i++)
		aibrix_window_clear(window_at(s, i));
}

int
aibrix_scale_state_load(aibrix_scale_state *s, const void *bytes, uint64_t n,
			int64_t shift_ns)
{
	struct reader r;
	uint64_t sum;

	if (!s || !bytes)
		return AIBRIX_E_INVAL;
	state_clear(s);
	if (n < HEAD_BYTES + SUM_BYTES)
		return AIBRIX_E_PARSE;
	r = reader_on((const uint8_t *)bytes + n - SUM_BYTES, SUM_BYTES);
	sum = read_u64(&r);
	r = reader_on(bytes, n - SUM_BYTES);
	if (read_u32(&r) != MAGIC || read_u32(&r) != VERSION ||
	    sum != aibrix__xxh64(bytes, n - SUM_BYTES, 0))
		return AIBRIX_E_PARSE;
	if (read_u32(&r) != s->strategy || read_u32(&r) != s->profile ||
	    read_u32(&r) != s->n_metrics)
		return AIBRIX_E_INVAL;
	if (!body_load(s, shift_ns, &r)) {
		state_clear(s);
		return AIBRIX_E_PARSE;
	}
	return AIBRIX_OK;
}
