/*
 * What one core of this machine can do at most, measured: the roofline that the kernels are held
 * against.
 */
#ifndef VQL_BENCH_MACHINE_H
#define VQL_BENCH_MACHINE_H

/* Multiply-adds count as two operations. What the machine cannot do is 0. */
typedef struct machine {
    double fma256_flops;     /* float32 with AVX2, a second */
    double fma512_flops;     /* float32 with AVX-512 */
    double int16_operations; /* multiply-adds of 16-bit integers, each counted twice; 0: none */
    double l1_bytes;         /* read a second, by size of what is read */
    double l2_bytes;
    double l3_bytes;
    double memory_bytes;
    double random_bytes; /* rows of 2 KiB at random from 40 MB, fetched ahead */
    double exponentials; /* e^x a second, by the kernels in use */
} machine;

/* The greater of the float32 rates. */
double machine_peak(const machine *m);

/* Measures for about two seconds. */
machine machine_measure(void);

void machine_print(const machine *m);

#endif
