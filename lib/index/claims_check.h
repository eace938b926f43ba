/* Whether everything fits together, for tests: AIBRIX_E_CORRUPT if not. */
#ifndef INDEX_CLAIMS_CHECK_H
#define INDEX_CLAIMS_CHECK_H

#include <aibrix/predict.h>
#include <aibrix/prefix.h>
#include <aibrix/radix.h>

struct claims;

int aibrix__claims_check(const struct claims *t);
int aibrix__prefix_check(const aibrix_prefix *prefix);
int aibrix__predict_check(aibrix_predict *predict);
int aibrix__radix_check(const aibrix_radix *radix);

#endif
