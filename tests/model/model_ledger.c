/* Random programs against a list of who owes what: requests that come, get
 * their first token, end, are forgotten, are ended twice; owners that leave
 * and join. */

#include <criterion/criterion.h>

#include <aibrix/ledger.h>

#include "base/rand.h"
#include "fleet_fixture.h"

enum { ROWS = 6, OPEN = 40, STEPS = 4000, LEASE = 50 };

struct debt {
	uint64_t ticket, heard, pod, tokens;
	uint32_t row;
	int open;
};

struct naive {
	struct debt debts[STEPS];
	uint64_t pods[ROWS]; /* 0: free */
	uint32_t n;
};

static void
naive_expire(struct naive *m, uint64_t now)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->debts[i].open && now - m->debts[i].heard > LEASE)
			m->debts[i].open = 0;
}

static uint32_t
naive_open(const struct naive *m)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < m->n; i++)
		open += m->debts[i].open != 0;
	return open;
}

static void
naive_row(const struct naive *m, uint32_t row, uint64_t *requests,
	  uint64_t *tokens)
{
	*requests = *tokens = 0;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct debt *d = &m->debts[i];

		if (!d->open || d->row != row || d->pod != m->pods[row])
			continue;
		++*requests;
		*tokens += d->tokens;
	}
}

struct rig {
	aibrix_ledger *ledger;
	aibrix_route *route;
	aibrix_fleet *fleet;
	struct naive model;
	uint64_t now, rand, next_pod;
};

/* The row is one of the least by the list. */
static int
step_pick(struct rig *rig)
{
	aibrix_route_request request = {
		.size = sizeof(request),
		.prompt_tokens = 1 + rand_below(&rig->rand, 1000),
		.entropy = rand_next(&rig->rand)};
	aibrix_route_result result = {.size = sizeof(result)};
	struct debt *d = &rig->model.debts[rig->model.n];
	uint64_t least = UINT64_MAX, requests, tokens, mine = 0;
	uint32_t rows = 0;
	int err = aibrix_ledger_pick(rig->ledger, rig->route, rig->fleet,
				     &request, rig->now, &result, &d->ticket);

	naive_expire(&rig->model, rig->now);
	for (uint32_t row = 0; row < ROWS; row++)
		rows += rig->model.pods[row] != 0;
	if (naive_open(&rig->model) == OPEN)
		return err == AIBRIX_E_FULL;
	if (rows == 0)
		return err == AIBRIX_E_NOT_FOUND;
	if (err)
		return 0;
	for (uint32_t row = 0; row < ROWS; row++) {
		if (!rig->model.pods[row])
			continue;
		naive_row(&rig->model, row, &requests, &tokens);
		least = requests < least ? requests : least;
		if (row == result.row)
			mine = requests;
	}
	*d = (struct debt){.ticket = d->ticket,
			   .heard = rig->now,
			   .pod = rig->model.pods[result.row],
			   .tokens = request.prompt_tokens,
			   .row = result.row,
			   .open = 1};
	rig->model.n++;
	return mine == least;
}

/* Of any request that ever was. */
static int
step_event(struct rig *rig, uint32_t what)
{
	struct debt *d;
	int err, open;

	if (rig->model.n == 0)
		return 1;
	d = &rig->model.debts[rand_below(&rig->rand, rig->model.n)];
	open = d->open;
	switch (what) {
	case 0:
		err = aibrix_ledger_settle(rig->ledger, d->ticket);
		d->open = 0;
		break;
	case 1:
		err = aibrix_ledger_first_token(rig->ledger, d->ticket,
						rig->now);
		d->tokens = 0;
		d->heard = rig->now;
		break;
	default:
		err = aibrix_ledger_renew(rig->ledger, d->ticket, rig->now);
		d->heard = rig->now;
	}
	return err == (open ? AIBRIX_OK : AIBRIX_E_NOT_FOUND);
}

static int
step_expire(struct rig *rig)
{
	uint32_t before = naive_open(&rig->model);
	uint64_t n;
	int err = aibrix_ledger_expire(rig->ledger, rig->now, &n);

	naive_expire(&rig->model, rig->now);
	return !err && n == before - naive_open(&rig->model);
}

static int
step_owner(struct rig *rig)
{
	uint32_t row = rand_below(&rig->rand, ROWS), at;
	aibrix_owner owner = {0};

	if (rig->model.pods[row]) {
		rig->model.pods[row] = 0;
		return aibrix_fleet_remove(rig->fleet, row) == AIBRIX_OK;
	}
	owner.pod = ++rig->next_pod;
	if (aibrix_fleet_add(rig->fleet, &owner, &at) || at >= ROWS)
		return 0;
	rig->model.pods[at] = owner.pod;
	return 1;
}

static int
same(struct rig *rig, int fault)
{
	uint64_t r, t, requests, tokens;

	if (aibrix_ledger_open(rig->ledger) != naive_open(&rig->model))
		return 0;
	for (uint32_t row = 0; row < ROWS; row++) {
		if (!rig->model.pods[row])
			continue;
		naive_row(&rig->model, row, &requests, &tokens);
		if (aibrix_ledger_read(rig->ledger, rig->fleet, row, &r, &t) ||
		    r != requests + (uint64_t)fault || t != tokens)
			return 0;
	}
	return 1;
}

static int
step(struct rig *rig)
{
	uint32_t what = rand_below(&rig->rand, 16);

	rig->now += rand_below(&rig->rand, 4);
	if (what < 6)
		return step_pick(rig);
	if (what < 14)
		return step_event(rig, what % 3);
	return what == 14 ? step_expire(rig) : step_owner(rig);
}

/* 0: all is well; else the step that was not. */
static uint32_t
program_run(uint64_t seed, uint32_t faulty)
{
	static struct rig rig;
	aibrix_ledger_opts opts = {
		.size = sizeof(opts), .max_open = OPEN, .lease_ns = LEASE};
	uint32_t i, bad = 0;

	rig = (struct rig){.route = fixture_route("least-request", 0),
			   .fleet = fixture_fleet(0, NULL),
			   .rand = seed};
	cr_assert_eq(aibrix_ledger_new(&opts, &rig.ledger), AIBRIX_OK);
	for (i = 0; i < ROWS / 2; i++)
		cr_assert(step_owner(&rig));
	for (i = 1; i <= STEPS / 2 && !bad; i++)
		if (!step(&rig) || !same(&rig, i == faulty))
			bad = i;
	aibrix_ledger_free(rig.ledger);
	aibrix_route_free(rig.route);
	aibrix_fleet_free(rig.fleet);
	return bad;
}

Test(ledger, random_programs_owe_what_the_list_says)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		cr_expect_eq(program_run(seed, 0), 0, "seed %u",
			     (unsigned)seed);
}

Test(ledger, a_planted_fault_is_noticed)
{
	cr_expect_neq(program_run(1, 100), 0);
}
