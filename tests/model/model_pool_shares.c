#include <criterion/criterion.h>

#include "base/rand.h"
#include "pool_shares_program.h"

enum { PROGRAMS = 2000, BYTES = 401 };

/* Mostly takes and gives; what ends everything comes seldom. */
static void
program_fill(uint8_t *data, uint64_t seed)
{
	static const uint8_t steps[] = {
		SHARES_TAKE,  SHARES_TAKE, SHARES_TAKE,  SHARES_TAKE,
		SHARES_GIVE,  SHARES_GIVE, SHARES_GIVE,  SHARES_EXPIRE,
		SHARES_RENEW, SHARES_HELD, SHARES_FORGE, SHARES_DAMAGE};
	uint64_t state = seed;

	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t)rand_next(&state);
	for (size_t i = 1; i < BYTES; i += 2)
		data[i] = (uint8_t)((data[i] & 0xf8) |
				    (rand_below(&state, 40) == 0
					     ? SHARES_REVOKE
					     : steps[rand_below(&state, 12)]));
}

Test(pool_shares, random_programs_agree_with_a_list_of_leases)
{
	uint8_t data[BYTES];

	for (uint64_t seed = 1; seed <= PROGRAMS; seed++) {
		program_fill(data, seed);
		cr_assert_eq(shares_run(data, BYTES, 0), SHARES_EQUAL,
			     "seed %llu differs at byte %d",
			     (unsigned long long)seed,
			     shares_run(data, BYTES, 0));
	}
}

Test(pool_shares, a_model_that_forgets_a_lease_is_noticed)
{
	static const uint8_t sound[] = {0x34, SHARES_TAKE, 0, SHARES_HELD, 0};
	static const uint8_t damaged[] = {0x34, SHARES_TAKE, 0, SHARES_DAMAGE,
					  0};

	cr_expect_eq(shares_run(sound, sizeof(sound), 1), SHARES_EQUAL);
	cr_expect_eq(shares_run(damaged, sizeof(damaged), 1), 3);
}
