/* Bytes as a strategy string: it is refused, or its items are within the
 * limits, its one spelling is not longer and spells itself, and a router
 * made of either answers alike. */

#include <stdlib.h>
#include <string.h>

#include <aibrix/route.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(int ok)
{
	if (!ok)
		abort();
}

static void
check_items(const char *text, uint64_t len)
{
	aibrix_route_item items[AIBRIX_ROUTE_ITEMS_MAX];
	uint32_t n;

	check(aibrix_route_parse(text, len, items, AIBRIX_ROUTE_ITEMS_MAX, &n,
				 NULL) == AIBRIX_OK);
	check(n >= 1 && n <= AIBRIX_ROUTE_ITEMS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		check(items[i].len >= 1 && items[i].at + items[i].len <= len);
		check(items[i].coefficient >= 1 &&
		      items[i].coefficient <= AIBRIX_ROUTE_COEFFICIENT_MAX);
		check(!memchr(text + items[i].at, 0, items[i].len));
	}
}

/* A router of text over a fleet of three, or NULL. */
static int
answer(const char *text, uint32_t profile, aibrix_route_result *out)
{
	aibrix_route_opts opts = {
		.size = sizeof(opts), .strategy = text, .profile = profile};
	aibrix_route_request request = {.size = sizeof(request), .entropy = 7};
	aibrix_fleet *fleet = NULL;
	aibrix_route *route = NULL;
	uint32_t row;
	int err = aibrix_route_new(&opts, &route);

	check(err == AIBRIX_OK || err == AIBRIX_E_PARSE ||
	      err == AIBRIX_E_UNSUPPORTED);
	if (err)
		return err;
	check(aibrix_fleet_new(NULL, &fleet) == AIBRIX_OK);
	for (uint32_t i = 0; i < 3; i++) {
		aibrix_owner owner = {i, 0, 0};

		check(aibrix_fleet_add(fleet, &owner, &row) == AIBRIX_OK);
		check(aibrix_fleet_set(fleet, row, AIBRIX_COL_REQUESTS_RUNNING,
				       3 - i, 0) == AIBRIX_OK);
	}
	out->size = sizeof(*out);
	err = aibrix_route_pick(route, fleet, &request, 0, out);
	aibrix_route_free(route);
	aibrix_fleet_free(fleet);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), one[2048], two[2048];
	uint64_t n, m, offset = 0;
	int err;

	check(text != NULL);
	memcpy(text, data, len);
	text[len] = 0;
	err = aibrix_route_canonical(text, len, one, sizeof(one), &n);
	if (err) {
		aibrix_route_item item;
		uint32_t items;

		check(err == AIBRIX_E_PARSE);
		check(aibrix_route_parse(text, len, &item, 1, &items,
					 &offset) == AIBRIX_E_PARSE);
		check(offset <= len);
	} else {
		aibrix_route_result a, b;

		check_items(text, len);
		check_items(one, n);
		check(n <= len && strlen(one) == n);
		check(aibrix_route_canonical(one, n, two, sizeof(two), &m) ==
		      AIBRIX_OK);
		check(n == m && memcmp(one, two, n) == 0);
		for (uint32_t profile = 0; profile < 2; profile++) {
			err = answer(text, profile, &a);
			check(err == answer(one, profile, &b));
			check(err || (a.row == b.row && a.reason == b.reason));
		}
	}
	free(text);
	return 0;
}
