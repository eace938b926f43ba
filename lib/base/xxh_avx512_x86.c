/* The XXH3 loops with AVX-512: see base/xxh_kernels.h. */

#define XXH_IMPL aibrix__xxh_avx512
#include "base/xxh_kernels.h"
