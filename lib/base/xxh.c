/* The baseline build of the XXH3 loops, the one-shot functions, and the
 * choice between the builds. */

#include "base/xxh.h"

#include "base/cpu.h"

#define XXH_IMPL aibrix__xxh_baseline
#include "base/xxh_kernels.h"

#ifdef __x86_64__
extern const struct xxh_impl aibrix__xxh_avx2, aibrix__xxh_avx512;
#endif

uint64_t
aibrix__xxh64(const void *bytes, size_t n, uint64_t seed)
{
	return XXH64(bytes, n, seed);
}

uint64_t
aibrix__xxh3_64(const void *bytes, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes, n, seed);
}

void
aibrix__xxh3_128(const void *bytes, size_t n, uint8_t out[XXH3_128_BYTES])
{
	digest_store(out, XXH3_128bits(bytes, n));
}

void
aibrix__xxh3_seed_init(struct xxh3_seed *seed, uint64_t value)
{
	seed->value = value;
	XXH3_generateSecret_fromSeed(seed->secret, value);
}

const struct xxh_impl *
aibrix__xxh_select(uint32_t cpu)
{
#ifdef __x86_64__
	if (cpu & CPU_AVX512)
		return &aibrix__xxh_avx512;
	if (cpu & CPU_AVX2)
		return &aibrix__xxh_avx2;
#else
	(void)cpu;
#endif
	return &aibrix__xxh_baseline;
}

aibrix__xxh3_fn
aibrix__xxh3_64_select(uint32_t cpu)
{
	return aibrix__xxh_select(cpu)->hash;
}
