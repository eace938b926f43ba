#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/admit.h>

static const uint8_t seq_7[8] = {0, 0, 0, 0, 0, 0, 0, 7};
static const uint8_t seq_end[8] = {255, 255, 255, 255, 255, 255, 255, 255};

static const aibrix_part empty = {NULL, 0}, topic = {"kv", 2},
			 seven = {seq_7, 8}, end = {seq_end, 8},
			 payload = {"\x90", 1};

static int
read_live(const aibrix_part *parts, uint32_t n, aibrix_admit_message *m)
{
	*m = (aibrix_admit_message){.size = sizeof(*m), .seq = 99};
	return aibrix_admit_read_live(parts, n, m);
}

static int
read_reply(const aibrix_part *parts, uint32_t n, aibrix_admit_message *m)
{
	*m = (aibrix_admit_message){.size = sizeof(*m), .seq = 99};
	return aibrix_admit_read_reply(parts, n, m);
}

Test(admit_wire, a_live_message_is_topic_number_payload)
{
	const aibrix_part parts[] = {topic, seven, payload};
	aibrix_admit_message m;

	cr_assert_eq(read_live(parts, 3, &m), AIBRIX_OK);
	cr_expect_eq(m.seq, 7);
	cr_expect_eq(m.topic.bytes, topic.bytes);
	cr_expect_eq(m.payload.bytes, payload.bytes);
	cr_expect_eq(m.payload.n, 1);
}

Test(admit_wire, a_live_message_may_lack_its_topic)
{
	const aibrix_part parts[] = {seven, payload};
	aibrix_admit_message m;

	cr_assert_eq(read_live(parts, 2, &m), AIBRIX_OK);
	cr_expect_eq(m.seq, 7);
	cr_expect_eq(m.topic.n, 0);
}

Test(admit_wire, replies_of_both_forms_are_read)
{
	const aibrix_part old[] = {empty, seven, payload};
	const aibrix_part later[] = {empty, topic, seven, payload};
	aibrix_admit_message m;

	cr_assert_eq(read_reply(old, 3, &m), AIBRIX_OK);
	cr_expect_eq(m.seq, 7);
	cr_assert_eq(read_reply(later, 4, &m), AIBRIX_OK);
	cr_expect_eq(m.seq, 7);
	cr_expect_eq(m.topic.n, 2);
}

Test(admit_wire, the_end_of_a_replay_has_all_ones_and_no_payload)
{
	const aibrix_part old[] = {empty, end, empty};
	const aibrix_part later[] = {empty, empty, end, empty};
	const aibrix_part full[] = {empty, end, payload};
	aibrix_admit_message m;

	cr_assert_eq(read_reply(old, 3, &m), AIBRIX_OK);
	cr_expect_eq(m.seq, AIBRIX_ADMIT_END);
	cr_assert_eq(read_reply(later, 4, &m), AIBRIX_OK);
	cr_expect_eq(m.seq, AIBRIX_ADMIT_END);
	cr_expect_eq(read_reply(full, 3, &m), AIBRIX_E_PARSE);
	cr_expect_eq(read_live(full, 3, &m), AIBRIX_E_PARSE);
	cr_expect_eq(m.seq, 99, "untouched");
}

Test(admit_wire, other_parts_are_refused)
{
	const aibrix_part parts[] = {topic, topic, seven, payload, payload};
	const aibrix_part null[] = {{NULL, 4}, seven, payload};
	aibrix_admit_message m;

	for (uint32_t n = 0; n <= 5; n++) {
		cr_expect_eq(read_live(parts, n, &m), AIBRIX_E_PARSE);
		cr_expect_eq(read_reply(parts, n, &m), AIBRIX_E_PARSE);
	}
	cr_expect_eq(read_live(null, 3, &m), AIBRIX_E_INVAL);
	cr_expect_eq(read_live(NULL, 3, &m), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_admit_read_live(null + 1, 2, NULL), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_admit_read_reply(null, 3, NULL), AIBRIX_E_INVAL);
	m.size = 0;
	cr_expect_eq(aibrix_admit_read_live(parts + 2, 2, &m), AIBRIX_E_INVAL);
}

Test(admit_wire, a_request_is_the_number_big_endian)
{
	static const uint8_t expected[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t out[8] = {0};

	cr_assert_eq(aibrix_admit_write_request(0x0102030405060708, out),
		     AIBRIX_OK);
	cr_expect_eq(memcmp(out, expected, 8), 0);
	cr_expect_eq(aibrix_admit_write_request(AIBRIX_ADMIT_END, out),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_admit_write_request(0, NULL), AIBRIX_E_INVAL);
}

Test(admit_wire, prints_tell_payloads_apart_and_are_never_0)
{
	cr_expect_eq(aibrix_admit_print("abc", 3),
		     aibrix_admit_print("abc", 3));
	cr_expect_neq(aibrix_admit_print("abc", 3),
		      aibrix_admit_print("abd", 3));
	cr_expect_neq(aibrix_admit_print(NULL, 0), 0);
}
