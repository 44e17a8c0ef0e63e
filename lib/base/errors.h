/*
 * How the library ends a program that misuses it.
 */
#ifndef GREEN_BASE_ERRORS_H
#define GREEN_BASE_ERRORS_H

/**
 * Print "green: " and one line to standard error, then abort. For programming errors of the caller
 * that no return value can mend, in every build.
 */
_Noreturn void green__misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
