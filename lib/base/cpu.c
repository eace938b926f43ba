#include "base/cpu.h"

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>

/* Vector registers are usable only if the system saves them. */
static uint32_t
saved_by_system(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

uint32_t
aibrix__cpu(void)
{
	enum { XMM_YMM = 0x06, XMM_YMM_ZMM = 0xe6 };
	enum { SSSE3 = 1 << 9, SSE41 = 1 << 19, SSE42 = 1 << 20 };
	enum { OSXSAVE = 1 << 27, AVX2 = 1 << 5, SHA = 1 << 29 };
	const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
	uint32_t a, b, c, d, c1, cpu = 0, saved = 0;

	if (!__get_cpuid(1, &a, &b, &c1, &d))
		return 0;
	if (c1 & SSE42)
		cpu |= CPU_CRC32C;
	if (c1 & OSXSAVE)
		saved = saved_by_system();
	if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
		return cpu;
	if ((b & SHA) && (c1 & SSSE3) && (c1 & SSE41))
		cpu |= CPU_SHA256;
	if ((b & AVX2) && (saved & XMM_YMM) == XMM_YMM)
		cpu |= CPU_AVX2;
	if ((b & avx512) == avx512 && (saved & XMM_YMM_ZMM) == XMM_YMM_ZMM)
		cpu |= CPU_AVX512;
	return cpu;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t
aibrix__cpu(void)
{
	unsigned long have = getauxval(AT_HWCAP);

	return (have & HWCAP_SHA2 ? CPU_SHA256 : 0) |
	       (have & HWCAP_CRC32 ? CPU_CRC32C : 0);
}

#else

uint32_t
aibrix__cpu(void)
{
	return 0;
}

#endif
