#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "store/ring.h"

/* In all texts ' stands for ". */
static const char halves[] =
	"{'nodes':["
	"{'name':'n1','addr':'10.0.0.1','port':18512,"
	"'slots':[{'start':0,'end':511}]},"
	"{'name':'n2','addr':'10.0.0.2','port':18512,"
	"'slots':[{'start':512,'end':1023}]}],'version':3}";

static struct ring *
new_ring(void)
{
	struct ring *ring = NULL;

	cr_assert_eq(aibrix__ring_new(NULL, RING_COMPAT, 4, &ring), AIBRIX_OK);
	return ring;
}

static int
load(struct ring *ring, const char *text)
{
	size_t n = strlen(text), at = 0;
	char *json = malloc(n + 1);
	int status;

	cr_assert_not_null(json);
	strcpy(json, text);
	for (size_t i = 0; i < n; i++)
		if (json[i] == '\'')
			json[i] = '"';
	status = aibrix__ring_load(ring, json, n, &at);
	cr_assert_leq(at, n);
	free(json);
	return status;
}

/* One node "a" at "b", port 1, with these slots. */
static int
load_slots(struct ring *ring, const char *slots)
{
	char text[256];

	sprintf(text,
		"{'nodes':[{'name':'a','addr':'b','port':1,'slots':%.150s}]}",
		slots);
	return load(ring, text);
}

/* The node at an index of the list of slots. */
static const char *
owner(const struct ring *ring, size_t index)
{
	cr_assert_lt(index, ring->table_n);
	return ring->nodes[ring->table[index]].name;
}

/* Vectors of the function's C++ original. */
Test(ring_meta, farm64_is_that_of_the_original)
{
	static const struct {
		const char *key;
		uint64_t hash;
	} rows[] = {
		{"\xcf\x1c\xb2\x4e\x52\xdf\x6d\x5a"
		 "\xf4\xf4\x04\x78\x6f\x43\x48\x95",
		 0xf8044e4e364a4efau},
		{"\x65\xda\x35\x84\xbc\x44\x84\xfe"
		 "\xcd\xd2\xc1\xe7\xf1\x19\xd5\xc3",
		 0x82332a0512f02c40u},
		{"\x7c\x9a\x5f\x3f\xec\x2a\xf2\x65"
		 "\x06\xaf\x3d\xf6\xb5\xc7\x9e\xdc",
		 0xf3dd7f8971558b9eu},
		{"\x92\x03\x1f\x13\x82\x0f\xa4\x42"
		 "\xdd\xdc\xaa\x5f\x81\x0f\x8b\x7f",
		 0xf2139c1a891b5352u},
		{"0123456789abcdef", 0x54b961e5dc834067u},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(aibrix__ring_farm64((const uint8_t *)rows[i].key),
			     rows[i].hash, "row %zu", i);
}

Test(ring_meta, two_halves_meet_where_the_ranges_do)
{
	struct ring *ring = new_ring();

	cr_expect_eq(load(ring, halves), AIBRIX_OK);

	cr_expect_eq(ring->table_n, 1024u);
	cr_expect_str_eq(owner(ring, 0), "n1");
	cr_expect_str_eq(owner(ring, 511), "n1");
	cr_expect_str_eq(owner(ring, 512), "n2");
	cr_expect_str_eq(owner(ring, 100), "n1");
	cr_expect_str_eq(owner(ring, 1023), "n2");
	aibrix__ring_free(ring);
}

Test(ring_meta, a_key_goes_to_its_hash_modulo_the_number_of_slots)
{
	struct ring *ring = new_ring();
	uint32_t id;

	cr_expect_eq(load(ring, halves), AIBRIX_OK);
	/* 0x54b961e5dc834067 mod 1024 = 103, 0xf2139c1a891b5352: 850. */
	cr_expect_eq(aibrix__ring_pick(ring, "0123456789abcdef", 16, &id),
		     AIBRIX_OK);
	cr_expect_str_eq(aibrix__ring_get(ring, id)->name, "n1");
	cr_expect_eq(aibrix__ring_pick(ring,
				       "\x92\x03\x1f\x13\x82\x0f\xa4\x42"
				       "\xdd\xdc\xaa\x5f\x81\x0f\x8b\x7f",
				       16, &id),
		     AIBRIX_OK);
	cr_expect_str_eq(aibrix__ring_get(ring, id)->name, "n2");
	cr_expect_eq(aibrix__ring_pick(ring, "0123456789abcdef", 15, &id),
		     AIBRIX_E_UNSUPPORTED);
	aibrix__ring_free(ring);
}

Test(ring_meta, interleaved_ranges_are_sorted_by_slot)
{
	struct ring *ring = new_ring();
	static const struct {
		size_t slot;
		const char *name;
	} rows[] = {{0, "n1"},   {100, "n1"}, {101, "n2"}, {199, "n2"},
		    {200, "n1"}, {300, "n1"}, {301, "n2"}, {400, "n2"}};

	cr_expect_eq(
		load(ring,
		     "{'nodes':["
		     "{'name':'n1','addr':'a','port':1,'slots':["
		     "{'start':0,'end':100},{'start':200,'end':300}]},"
		     "{'name':'n2','addr':'b','port':1,'slots':["
		     "{'start':101,'end':199},{'start':301,'end':400}]}]}"),
		AIBRIX_OK);

	cr_expect_eq(ring->table_n, 401u);
	for (size_t i = 0; i < 8; i++)
		cr_expect_str_eq(owner(ring, rows[i].slot), rows[i].name);
	aibrix__ring_free(ring);
}

Test(ring_meta, gaps_close_up_and_overlaps_stand_in_the_order_of_the_text)
{
	struct ring *ring = new_ring();

	cr_expect_eq(
		load(ring,
		     "{'nodes':["
		     "{'name':'n1','addr':'a','port':1,'slots':["
		     "{'start':10,'end':11}]},"
		     "{'name':'n2','addr':'b','port':1,'slots':["
		     "{'start':11,'end':11},{'start':65535,'end':65535}]}]}"),
		AIBRIX_OK);

	cr_expect_eq(ring->table_n, 4u);
	cr_expect_str_eq(owner(ring, 0), "n1");
	cr_expect_str_eq(owner(ring, 1), "n1");
	cr_expect_str_eq(owner(ring, 2), "n2");
	cr_expect_str_eq(owner(ring, 3), "n2");
	aibrix__ring_free(ring);
}

Test(ring_meta, an_unchanged_node_keeps_its_id_and_a_moved_one_does_not)
{
	struct ring *ring = new_ring();
	uint32_t one, two;

	cr_expect_eq(load(ring, halves), AIBRIX_OK);
	one = aibrix__ring_find(ring, "n1");
	two = aibrix__ring_find(ring, "n2");

	cr_expect_eq(load(ring, "{'nodes':["
				"{'name':'n2','addr':'10.9.9.9','port':18512,"
				"'slots':[{'start':0,'end':5}]},"
				"{'name':'n3','addr':'10.0.0.3','port':18512,"
				"'slots':[{'start':6,'end':7}]},"
				"{'name':'n1','addr':'10.0.0.1','port':18512,"
				"'slots':[{'start':8,'end':9}]}]}"),
		     AIBRIX_OK);

	cr_expect_eq(aibrix__ring_find(ring, "n1"), one);
	cr_expect_neq(aibrix__ring_find(ring, "n2"), two);
	cr_expect_null(aibrix__ring_get(ring, two));
	cr_expect_eq(ring->n, 3u);
	cr_expect_str_eq(owner(ring, 0), "n2");
	cr_expect_str_eq(owner(ring, 7), "n3");
	cr_expect_str_eq(owner(ring, 9), "n1");
	cr_expect_eq(aibrix__ring_remove(ring, one), AIBRIX_E_STATE);
	aibrix__ring_free(ring);
}

Test(ring_meta, what_is_not_the_metadata_is_refused_and_changes_nothing)
{
	static const char *const wrong[] = {
		"",
		"nil",
		"{",
		"[]",
		"{'version':1}",
		"{'nodes':null}",
		"{'nodes':[]}",
		"{'nodes':[null]}",
		"{'nodes':[[]]}",
		"{'nodes':[{'name':'a','addr':'b','slots':[]}]}",
		"{'nodes':[{'name':'a','addr':'b','port':1}]}",
		"{'nodes':[{'name':'a','addr':'b','port':0,"
		"'slots':[{'start':0,'end':1}]}]}",
		"{'nodes':[{'name':'a','addr':'b','port':65536,"
		"'slots':[{'start':0,'end':1}]}]}",
		"{'nodes':[{'name':'a','addr':'b','port':'1',"
		"'slots':[{'start':0,'end':1}]}]}",
		"{'nodes':[{'name':'','addr':'b','port':1,"
		"'slots':[{'start':0,'end':1}]}]}",
		"{'nodes':[{'name':'a','addr':'','port':1,"
		"'slots':[{'start':0,'end':1}]}]}",
		"{'nodes':[{'name':'a\\u0000','addr':'b','port':1,"
		"'slots':[{'start':0,'end':1}]}]}",
		"{'nodes':[{'name':'a','addr':'b','port':1,"
		"'slots':[{'start':0,'end':1}]},"
		"{'name':'a','addr':'c','port':1,"
		"'slots':[{'start':2,'end':3}]}]}",
	};
	static const char *const wrong_slots[] = {
		"null",
		"[]", /* nothing to choose from */
		"[7]",
		"[{'start':0}]",
		"[{'start':-1,'end':1}]",
		"[{'start':0,'end':1.5}]",
		"[{'start':4000,'end':10}]", /* wrapped */
		"[{'start':0,'end':99999999999999999999999}]",
	};
	struct ring *ring = new_ring();
	uint32_t id;

	cr_expect_eq(load(ring, halves), AIBRIX_OK);
	id = aibrix__ring_find(ring, "n1");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_eq(load(ring, wrong[i]), AIBRIX_E_PARSE, "%s",
			     wrong[i]);
	for (size_t i = 0; i < sizeof(wrong_slots) / sizeof(wrong_slots[0]);
	     i++)
		cr_expect_eq(load_slots(ring, wrong_slots[i]), AIBRIX_E_PARSE,
			     "%s", wrong_slots[i]);
	cr_expect_eq(aibrix__ring_find(ring, "n1"), id);
	cr_expect_eq(ring->table_n, 1024u);
	cr_expect_str_eq(owner(ring, 1023), "n2");
	aibrix__ring_free(ring);
}

Test(ring_meta, an_error_says_where)
{
	static const char text[] = "{\"nodes\": {}}";
	struct ring *ring = new_ring();
	size_t at = 0;

	cr_expect_eq(aibrix__ring_load(ring, text, strlen(text), &at),
		     AIBRIX_E_PARSE);
	cr_expect_eq(at, 10u);
	aibrix__ring_free(ring);
}

Test(ring_meta, more_than_the_limits_is_full)
{
	static const char *const much[] = {
		"[{'start':0,'end':65536}]",
		"[{'start':0,'end':18446744073709551615}]",
		"[{'start':0,'end':65535},{'start':7,'end':7}]",
	};
	struct ring *ring = new_ring();
	char *text = malloc(RING_TEXT_MAX + 1);
	size_t at;

	for (size_t i = 0; i < sizeof(much) / sizeof(much[0]); i++)
		cr_expect_eq(load_slots(ring, much[i]), AIBRIX_E_FULL, "%s",
			     much[i]);
	/* Nodes, before they are looked at. */
	cr_expect_eq(load(ring, "{'nodes':[0,0,0,0,0]}"), AIBRIX_E_FULL);
	cr_assert_not_null(text);
	memset(text, ' ', RING_TEXT_MAX + 1);
	cr_expect_eq(aibrix__ring_load(ring, text, RING_TEXT_MAX + 1, &at),
		     AIBRIX_E_FULL);
	free(text);
	cr_expect_eq(load_slots(ring, "[{'start':0,'end':65535}]"), AIBRIX_OK);
	aibrix__ring_free(ring);
}

Test(ring_meta, a_ring_without_metadata_is_unavailable)
{
	struct ring *ring = new_ring();
	const struct ring_node node = {.name = "a", .addr = "b", .port = 1};
	uint32_t id = 7;

	cr_expect_eq(aibrix__ring_pick(ring, "0123456789abcdef", 16, &id),
		     AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(aibrix__ring_add(ring, &node, &id), AIBRIX_E_STATE);
	cr_expect_eq(id, 7u);
	aibrix__ring_free(ring);
}
