#include <aibrix/base.h>

#include "base/cpu.h"
#include "base/log.h"

/* Two steps, so that the arguments are replaced by their numbers first. */
#define TEXT_OF(major, minor, patch) #major "." #minor "." #patch
#define TEXT(major, minor, patch) TEXT_OF(major, minor, patch)

const char *
aibrix_version(void)
{
	return TEXT(AIBRIX_VERSION_MAJOR, AIBRIX_VERSION_MINOR,
		    AIBRIX_VERSION_PATCH);
}

uint32_t
aibrix_abi_version(void)
{
	return AIBRIX_ABI_MAJOR;
}

uint32_t
aibrix_has(uint32_t feature)
{
	uint32_t cpu = aibrix__cpu();

	switch (feature) {
	case AIBRIX_FEATURE_LOGGING: return AIBRIX__LOGGING;
	case AIBRIX_FEATURE_SHA256_HW: return (cpu & CPU_SHA256) != 0;
	case AIBRIX_FEATURE_CRC32C_HW: return (cpu & CPU_CRC32C) != 0;
	case AIBRIX_FEATURE_WIDE_VECTORS:
		return (cpu & (CPU_AVX2 | CPU_AVX512)) != 0;
	case AIBRIX_FEATURE_NUMA: return AIBRIX__NUMA;
	}
	return 0;
}
