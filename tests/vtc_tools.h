/* A fair queue and what its tests do to it. */
#ifndef TESTS_VTC_TOOLS_H
#define TESTS_VTC_TOOLS_H

#include <criterion/criterion.h>

#include <aibrix/vtc.h>

enum { HEAVY = 1, LIGHT = 2, THIRD = 3 };

static inline aibrix_vtc *
new_queue(aibrix_vtc_opts o)
{
	aibrix_vtc *v = NULL;

	o.size = sizeof(o);
	if (o.max_requests == 0)
		o.max_requests = 64;
	if (o.max_user_requests == 0)
		o.max_user_requests = o.max_requests;
	cr_assert_eq(aibrix_vtc_new(&o, &v), AIBRIX_OK);
	return v;
}

static inline int
try_push(aibrix_vtc *v, uint64_t user, uint32_t input, uint64_t *ticket)
{
	const aibrix_vtc_request r = {.size = sizeof(r),
				      .user = user,
				      .input_tokens = input,
				      .tag = 100 * user + input};

	return aibrix_vtc_push(v, &r, 0, ticket);
}

static inline uint64_t
push(aibrix_vtc *v, uint64_t user, uint32_t input)
{
	uint64_t ticket = 0;

	cr_assert_eq(try_push(v, user, input, &ticket), AIBRIX_OK);
	cr_assert_neq(ticket, 0);
	return ticket;
}

static inline uint64_t
push_expecting(aibrix_vtc *v, uint64_t user, uint32_t input, uint32_t expected)
{
	const aibrix_vtc_request r = {.size = sizeof(r),
				      .user = user,
				      .input_tokens = input,
				      .expected_tokens = expected};
	uint64_t ticket = 0;

	cr_assert_eq(aibrix_vtc_push(v, &r, 0, &ticket), AIBRIX_OK);
	return ticket;
}

static inline aibrix_vtc_item
pop_at(aibrix_vtc *v, uint64_t now_ns)
{
	aibrix_vtc_item item = {.size = sizeof(item)};

	cr_assert_eq(aibrix_vtc_pop(v, now_ns, &item), AIBRIX_OK);
	return item;
}

static inline aibrix_vtc_item
pop(aibrix_vtc *v)
{
	return pop_at(v, 0);
}

static inline double
counter(const aibrix_vtc *v, uint64_t user)
{
	double c = -1;

	cr_assert_eq(aibrix_vtc_counter(v, user, &c), AIBRIX_OK);
	return c;
}

static inline aibrix_vtc_stat
stats(const aibrix_vtc *v)
{
	aibrix_vtc_stat s = {.size = sizeof(s)};

	cr_assert_eq(aibrix_vtc_stats(v, &s), AIBRIX_OK);
	return s;
}

#endif
