/* The XXH3 loops with AVX2: see base/xxh_kernels.h. */

#define XXH_IMPL aibrix__xxh_avx2
#include "base/xxh_kernels.h"
