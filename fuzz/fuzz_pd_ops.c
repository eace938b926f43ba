/*
 * Where prefill and decode are apart.  By the first byte modulo 4:
 *
 *   0  a program of charges against a list of who owes what
 *   1  events of two legs against a gateway that looks at all its clocks
 *   2  pods of any bytes: who is split off, left by a gate and picked is of
 *      its role, of one group with both, and for the length; and no other
 *      pair of a group scores less
 *   3  prompts of many lengths against a list of them, and groups
 */

#include "../tests/model/pd_buckets_program.h"
#include "../tests/model/pd_ledger_program.h"
#include "../tests/model/pd_legs_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MOST = 48, POD_BYTES = 16 };

static void
check(int right)
{
	if (!right)
		abort();
}

/* Every value that a double can have, and more often those near others. */
static double
any_number(const uint8_t *at)
{
	static const double odd[] = {NAN,  INFINITY, -INFINITY, -1,
				     -0.0, 0,        1e308,     5e-324};
	uint8_t low = at[1] & 7;

	return *at < 64 ? odd[low] : *at;
}

struct fleet {
	aibrix_pd_pod pods[MOST];
	aibrix_pd_stat stats[MOST];
	uint32_t prefill[MOST], decode[MOST], n;
	double scores[MOST];
};

static void
fleet_read(struct fleet *f, const uint8_t *data, size_t len)
{
	for (; f->n < MOST && len >= POD_BYTES; f->n++) {
		aibrix_pd_stat *s = &f->stats[f->n];

		f->pods[f->n] = (aibrix_pd_pod){.group = data[0] % 5,
						.role = data[1] % 4,
						.min_tokens = data[2] % 8,
						.max_tokens = data[3] % 8,
						.load = any_number(data + 4)};
		s->pending = data[5] < 250 ? data[5] : UINT32_MAX;
		s->running = any_number(data + 6);
		s->tokens_per_s = any_number(data + 8);
		s->finished_per_s = any_number(data + 9);
		s->kv_usage = any_number(data + 10);
		s->match_percent = any_number(data + 12);
		s->prefill_s = any_number(data + 13);
		s->charged_tokens = any_number(data + 14);
		data += POD_BYTES;
		len -= POD_BYTES;
	}
}

/* In a list each is of the role, once, and has its other half in the group;
 * with lengths both are for it. */
static void
check_list(const struct fleet *f, const uint32_t *list, uint32_t n,
	   uint32_t role, uint64_t tokens, int lengths)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < n; i++) {
		const aibrix_pd_pod *p;
		int other = 0;

		check(list[i] < f->n && !(seen >> list[i] & 1));
		seen |= (uint64_t)1 << list[i];
		p = &f->pods[list[i]];
		check(p->role == role);
		for (uint32_t k = 0; k < f->n; k++) {
			const aibrix_pd_pod *q = &f->pods[k];
			int fits = tokens >= q->min_tokens &&
				   (!q->max_tokens || tokens <= q->max_tokens);

			check(k != list[i] || fits || !lengths);
			other |= q->group == p->group &&
				 q->role == AIBRIX_PD_PREFILL +
						    AIBRIX_PD_DECODE - role &&
				 (fits || !lengths);
		}
		check(other);
	}
}

static void
check_pick(const struct fleet *f, const aibrix_pd_lists *l, int err,
	   const aibrix_pd_pick_result *r)
{
	double best = INFINITY;

	for (uint32_t i = 0; i < l->n_prefill; i++)
		for (uint32_t k = 0; k < l->n_decode; k++) {
			uint32_t p = l->prefill[i], d = l->decode[k];
			double score = f->scores[p] / r->max_prefill +
				       f->scores[d] / r->max_decode;

			if (f->pods[p].group == f->pods[d].group &&
			    score < best)
				best = score;
		}
	if (err == AIBRIX_E_NOT_FOUND) {
		check(isinf(best) && r->prefill == AIBRIX_PD_NOBODY);
		return;
	}
	check(err == AIBRIX_OK && r->score == best);
	check(f->pods[r->prefill].role == AIBRIX_PD_PREFILL);
	check(f->pods[r->decode].role == AIBRIX_PD_DECODE);
	check(f->pods[r->prefill].group == f->pods[r->decode].group);
}

static aibrix_pd_opts
opts_read(const uint8_t *data)
{
	static const uint32_t prefills[] = {0, 1, 2, 3, 4, 6};
	static const uint32_t decodes[] = {0, 2, 3, 5, 6};
	aibrix_pd_opts o = {.size = sizeof(o)};

	o.compat = data[0] & 1;
	o.flags = data[0] & 2 ? AIBRIX_PD_BUCKETS : 0u;
	o.prefill_policy = prefills[data[1] % 6];
	o.decode_policy = decodes[data[1] / 6 % 5];
	o.min_match_percent = data[0] >> 2 & 31;
	return o;
}

static void
try_fleet(const uint8_t *data, size_t len)
{
	struct fleet f = {.n = 0};
	aibrix_pd_opts o = opts_read(data);
	aibrix_pd_result split = {.size = sizeof(split)};
	aibrix_pd_pick_result r = {.size = sizeof(r)};
	uint64_t tokens = data[2] % 10, entropy = data[3];
	int lengths = !o.compat || o.flags, err;
	aibrix_pd_lists l = {f.prefill, f.decode, 0, 0};
	uint32_t gates = 0;

	fleet_read(&f, data + 4, len - 4);
	err = aibrix_pd_split(&o, f.pods, f.n, tokens, entropy, f.prefill,
			      f.decode, &split);
	check(err == AIBRIX_OK || err == AIBRIX_E_NOT_FOUND);
	if (split.combined != AIBRIX_PD_NOBODY)
		check(f.pods[split.combined].role == AIBRIX_PD_COMBINED &&
		      split.n_prefill == 0 && split.n_decode == 0);
	l.n_prefill = split.n_prefill;
	l.n_decode = split.n_decode;
	check_list(&f, l.prefill, l.n_prefill, AIBRIX_PD_PREFILL, tokens,
		   lengths);
	check_list(&f, l.decode, l.n_decode, AIBRIX_PD_DECODE, tokens, lengths);
	check(aibrix_pd_gate(&o, f.pods, f.stats, f.n, entropy, &l, &gates) ==
	      AIBRIX_OK);
	check(l.n_prefill <= split.n_prefill && l.n_decode <= split.n_decode);
	check(!split.n_prefill == !l.n_prefill &&
	      !split.n_decode == !l.n_decode);
	check_list(&f, l.prefill, l.n_prefill, AIBRIX_PD_PREFILL, tokens,
		   lengths);
	check_list(&f, l.decode, l.n_decode, AIBRIX_PD_DECODE, tokens, lengths);
	err = aibrix_pd_pick(&o, f.pods, f.stats, f.n, &l, tokens, entropy,
			     f.scores, &r);
	check_pick(&f, &l, err, &r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct choices choices = {.rand = 1};

	if (len < 5)
		return 0;
	choices.data = data + 1;
	choices.left = len - 1;
	if (data[0] % 4 == 0)
		check(pd_ledger_program_run(choices, 100, PD_SOUND) == NULL);
	else if (data[0] % 4 == 1)
		check(pd_legs_program_run(choices, LEGS_SOUND) == NULL);
	else if (data[0] % 4 == 3)
		check(pd_buckets_program_run(choices, 100, BK_SOUND) == NULL);
	else
		try_fleet(data + 1, len - 1);
	return 0;
}
