/* Decimal text to double, without a locale. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>

enum { DECIMAL_MAX = 128 }; /* bytes of a text that is read */

/*
 * The double nearest to what the n bytes of text say, the even one of two:
 * what strtod gives in the C locale, rounding to nearest.  All of text must
 * be
 *
 *	[+-] digits [. [digits]] [e [+-] digits]
 *	[+-] . digits [e [+-] digits]
 *
 * Above the largest double it is infinite, as with strtod.
 *
 * Fails: AIBRIX_E_PARSE, AIBRIX_E_SPACE (more than DECIMAL_MAX bytes).
 */
int aibrix__decimal_read(const char *text, size_t n, double *out);

#endif
