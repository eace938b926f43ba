/* The XXH3 loops with what every processor of the family has: see
 * base/xxh_kernels.h. */

#define XXH_IMPL aibrix__xxh_baseline
#include "base/xxh_kernels.h"
