/* Strategy strings: what the grammar takes, and one spelling for each. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "fleet_fixture.h"

/* What parse makes of text, as text; "error@N" when it is refused. */
static const char *
parsed(const char *text)
{
	static char out[2048];
	aibrix_route_item items[AIBRIX_ROUTE_ITEMS_MAX];
	uint64_t offset = 0;
	uint32_t n, len = 0;
	int err = aibrix_route_parse(text, strlen(text), items,
				     AIBRIX_ROUTE_ITEMS_MAX, &n, &offset);

	if (err) {
		cr_assert_eq(err, AIBRIX_E_PARSE);
		snprintf(out, sizeof(out), "error@%u", (unsigned)offset);
		return out;
	}
	out[0] = 0;
	for (uint32_t i = 0; i < n; i++)
		len += (uint32_t)snprintf(out + len, sizeof(out) - len,
					  "%s%.*s=%u", i ? " " : "",
					  (int)items[i].len, text + items[i].at,
					  items[i].coefficient);
	return out;
}

/* parse01 to parse14 are AIBrix's router_test.go. */
Test(route_parse, lists_are_read_as_aibrix_reads_them)
{
	static const char *const cases[][2] = {
		{"prefix-cache", "prefix-cache=1"},
		{"prefix-cache,least-latency",
		 "prefix-cache=1 least-latency=1"},
		{"prefix-cache:6,least-latency:4",
		 "prefix-cache=6 least-latency=4"},
		{"prefix-cache:3,least-latency",
		 "prefix-cache=3 least-latency=1"},
		{"prefix-cache:0,least-latency:10", "least-latency=10"},
		{"", "error@0"},
		{"prefix-cache,,least-latency", "error@13"},
		{"prefix-cache:1:2", "error@14"},
		{"prefix-cache:0.5,least-latency:0.5", "error@14"},
		{"prefix-cache:-1", "error@13"},
		{"prefix-cache:1000001", "error@19"},
		{"prefix-cache:0,least-latency:0", "error@30"},
		{"least-request:2,pd:1,throughput:3", "pd=1"},
		{"slo-least-load:1,least-latency:2", "slo-least-load=1"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(parsed(cases[i][0]), cases[i][1], "parse%02zu",
				 i + 1);
}

Test(route_parse, what_the_table_of_aibrix_leaves_open_has_an_answer)
{
	static const char *const cases[][2] = {
		{"a:1000000", "a=1000000"},
		{"a:007", "a=7"},
		{"a:", "error@2"},
		{":1", "error@0"},
		{"a,", "error@2"},
		{",a", "error@0"},
		{"a:+1", "error@2"},
		{"a: 1", "error@2"},
		{"a b", "error@1"},
		{"a\n", "error@1"},
		{"a:99999999999999999999", "error@8"},
		/* An item that is left out does not exclude. */
		{"pd:0,a", "a=1"},
		{"a,slo,pd", "slo=1"},
		{"pdx,a", "pdx=1 a=1"},
		{"slow,a", "slow=1"},
		/* An error after the exclusive one is one all the same. */
		{"pd,a:x", "error@5"},
		{"a:2,b,a:3", "a=5 b=1"},
		{"a:999999,a:2", "error@12"},
		{"a>b", "a=1 b=1"},
		{"a>b:2", "error@5"},
		{"a>b,c", "error@3"},
		{"a>", "error@2"},
		{">a", "error@0"},
		{"a>>b", "error@2"},
		{"a>pd", "error@4"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(parsed(cases[i][0]), cases[i][1], "%s",
				 cases[i][0]);
}

Test(route_parse, a_nul_and_bytes_above_ascii_are_no_part_of_a_name)
{
	aibrix_route_item item;
	uint64_t offset = 0;
	uint32_t n;

	cr_expect_eq(aibrix_route_parse("a\0b", 3, &item, 1, &n, &offset),
		     AIBRIX_E_PARSE);
	cr_expect_eq(offset, 1);
	cr_expect_eq(aibrix_route_parse("a\303\244", 3, &item, 1, &n, &offset),
		     AIBRIX_E_PARSE);
	cr_expect_eq(offset, 1);
}

Test(route_parse, sixteen_items_are_the_most)
{
	cr_expect_str_eq(parsed("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,a"),
			 "a=2 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 "
			 "m=1 n=1 o=1 p=1");
	cr_expect_str_eq(parsed("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"),
			 "error@33");
	cr_expect_str_eq(parsed("a>b>c>d>e>f>g>h>i>j>k>l>m>n>o>p>q"),
			 "error@32");
}

Test(route_parse, a_megabyte_is_refused_without_being_read)
{
	const uint64_t len = 1000000;
	char *text = malloc(len + 1);
	aibrix_route_item item;
	aibrix_route_opts opts = {.size = sizeof(opts), .strategy = text};
	aibrix_route *route = NULL;
	uint64_t offset = 0;
	uint32_t n;

	cr_assert_not_null(text);
	memset(text, 'a', len);
	text[len] = 0;
	cr_expect_eq(aibrix_route_parse(text, len, &item, 1, &n, &offset),
		     AIBRIX_E_PARSE);
	cr_expect_eq(offset, AIBRIX_ROUTE_TEXT_MAX);
	cr_expect_eq(aibrix_route_new(&opts, &route), AIBRIX_E_PARSE);
	cr_expect_null(route);
	/* Just within the limit it is a name that nobody knows. */
	text[AIBRIX_ROUTE_TEXT_MAX] = 0;
	cr_expect_eq(aibrix_route_new(&opts, &route), AIBRIX_E_UNSUPPORTED);
	free(text);
}

Test(route_parse, too_few_places_are_told)
{
	aibrix_route_item items[2] = {{9, 9, 9, 9}, {9, 9, 9, 9}};
	uint32_t n = 0;

	cr_expect_eq(aibrix_route_parse("a,b,c", 5, items, 2, &n, NULL),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 3);
	cr_expect_eq(items[0].len, 9);
	cr_expect_eq(aibrix_route_parse(NULL, 1, items, 2, &n, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_parse("a", 1, NULL, 2, &n, NULL),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_route_parse("a", 1, items, 2, NULL, NULL),
		     AIBRIX_E_INVAL);
}

Test(route_parse, one_policy_has_one_spelling)
{
	static const char *const cases[][2] = {
		{"a:1", "a"},           {"a:7", "a"},
		{"a:6,b:4", "a:3,b:2"}, {"a:3,b:0,c:006", "a,c:2"},
		{"a,b,a", "a:2,b"},     {"a:999999,b,a", "a:1000000,b"},
		{"b:2,pd:5,a", "pd"},   {"a>b>a", "a>b>a"},
	};
	char out[64];
	uint64_t n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i][0];

		cr_assert_eq(aibrix_route_canonical(text, strlen(text), out,
						    sizeof(out), &n),
			     AIBRIX_OK);
		cr_expect_str_eq(out, cases[i][1]);
		cr_expect_eq(n, strlen(out));
	}
	strcpy(out, "as it was");
	cr_expect_eq(aibrix_route_canonical("a:6,b:4", 7, out, 7, &n),
		     AIBRIX_E_SPACE);
	cr_expect_eq(n, 7);
	cr_expect_eq(aibrix_route_canonical("a:", 2, out, 64, &n),
		     AIBRIX_E_PARSE);
	cr_expect_str_eq(out, "as it was");
}

/* AIBrix compares the text, so "pd:1,x" passes by the rules that "pd" is
 * under (defect 3). */
Test(route_parse, an_exclusive_strategy_is_known_by_its_spelling)
{
	char a[16], b[16];
	uint64_t n;

	cr_assert_eq(aibrix_route_canonical("pd:1,x", 6, a, 16, &n), 0);
	cr_assert_eq(aibrix_route_canonical("pd", 2, b, 16, &n), 0);
	cr_expect_str_eq(a, b);
}
