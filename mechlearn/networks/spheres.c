/* Soft spheres in a periodic box, brought down their enthalpy; see spheres.py for the model.
 *
 * Every sum has one order and every operation (+, -, *, /, sqrt, floor, rint) is rounded as IEEE
 * 754 says, so that results are the same to the last bit on every processor. Compile without
 * contraction to fused multiply-adds (-ffp-contract=off) and without -ffast-math.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pairs closer than contact plus `skin`, found from cells, and where particles were then. */
typedef struct {
    int count, room;
    int *i, *j;
    double skin, stretch, *origin;
} Near;

/* Overlapping pairs: ids, unit vector from i to j, distance, force; stiffness along and (negative)
 * across the contact. */
typedef struct {
    int i, j;
    double t[3], r, force, along, across;
} Contact;

typedef struct {
    int count, room;
    Contact *at;
    double overlap; /* sum of the relative overlaps */
} Contacts;

typedef struct {
    int n, d, free_box;
    double side;             /* of the box */
    const double *diameters;
    double pressure, weight; /* the box's unknown is its strain times `weight` */
    Near near;
    int failed;              /* out of memory */
} Packing;

#define SKIN 0.3
#define MEMORY 6  /* pairs that quasi-Newton steps remember */
#define ROUND 2000 /* quasi-Newton steps between trials of Newton's method */

static void *grown(void *p, size_t bytes, int *failed)
{
    void *q = realloc(p, bytes ? bytes : 1);
    if (!q) {
        *failed = 1;
        return p;
    }
    return q;
}

static inline double apart(const double *a, const double *b, int d, double side, double *v)
{
    double r2 = 0;
    for (int c = 0; c < d; c++) {
        double w = b[c] - a[c];
        w -= side * rint(w / side);
        v[c] = w;
        r2 += w * w;
    }
    return r2;
}

static void add_near(Packing *p, const double *x, double side, int i, int j)
{
    double v[3], reach = 0.5 * (p->diameters[i] + p->diameters[j]) + p->near.skin;
    Near *near = &p->near;
    if (i == j || apart(x + i * p->d, x + j * p->d, p->d, side, v) >= reach * reach)
        return;
    if (near->count == near->room) {
        int room = 2 * near->room + 8 * p->n;
        near->i = grown(near->i, room * sizeof(int), &p->failed);
        near->j = grown(near->j, room * sizeof(int), &p->failed);
        if (p->failed)
            return;
        near->room = room;
    }
    near->i[near->count] = i < j ? i : j;
    near->j[near->count++] = i < j ? j : i;
}

/* Lists the pairs closer than contact plus `skin`, in the order of cells. */
static void list_near(Packing *p, const double *x, double side, double skin)
{
    int n = p->n, d = p->d, m, cells, *head, *next, *cell;
    double largest = 0;
    for (int i = 0; i < n; i++)
        largest = p->diameters[i] > largest ? p->diameters[i] : largest;
    p->near.count = 0;
    p->near.skin = skin;
    p->near.stretch = 1;
    memcpy(p->near.origin, x, (size_t)n * d * sizeof(double));
    double across = floor(side / (largest + skin));
    /* No more cells than particles, however thin the gas. */
    while (across > 3 && (d == 2 ? across * across : across * across * across) > 4.0 * n + 64)
        across -= 1;
    if (across < 3) {
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                add_near(p, x, side, i, j);
        return;
    }
    m = (int)across;
    cells = d == 2 ? m * m : m * m * m;
    head = malloc(cells * sizeof(int));
    next = malloc(n * sizeof(int));
    cell = malloc(n * sizeof(int));
    if (!head || !next || !cell) {
        p->failed = 1;
        goto end;
    }
    for (int k = 0; k < cells; k++)
        head[k] = -1;
    for (int i = n - 1; i >= 0; i--) {
        int k = 0;
        for (int c = 0; c < d; c++) {
            double u = x[i * d + c] / side;
            int at = (int)((u - floor(u)) * m);
            k = k * m + (at < m ? at : m - 1);
        }
        cell[i] = k;
        next[i] = head[k];
        head[k] = i;
    }
    for (int i = 0; i < n; i++) {
        int at[3], k = cell[i];
        for (int c = d - 1; c >= 0; c--) {
            at[c] = k % m;
            k /= m;
        }
        int steps = d == 2 ? 9 : 27;
        for (int step = 0; step < steps; step++) {
            int other = 0, s = step;
            for (int c = 0; c < d; c++) {
                other = other * m + (at[c] + s % 3 + m - 1) % m;
                s /= 3;
            }
            for (int j = head[other]; j >= 0; j = next[j])
                if (j > i)
                    add_near(p, x, side, i, j);
        }
    }
end:
    free(head);
    free(next);
    free(cell);
}

/* Lists near pairs anew when particles at x, then stretched, may touch that were not near. */
static void refresh(Packing *p, const double *x, double stretch)
{
    int size = p->n * p->d, d = p->d;
    double most = 0, largest = 0;
    for (int k = 0; k < size; k += d) {
        double m2 = 0;
        for (int c = 0; c < d; c++) {
            double w = x[k + c] - p->near.origin[k + c];
            m2 += w * w;
        }
        most = m2 > most ? m2 : most;
    }
    for (int i = 0; i < p->n; i++)
        largest = p->diameters[i] > largest ? p->diameters[i] : largest;
    /* In the unit of the list: lengths were smaller by `near.stretch` when it was made. */
    double total = stretch / p->near.stretch;
    double shrunk = total < 1 ? (1 / total - 1) * largest : 0;
    if (2 * sqrt(most) + shrunk >= p->near.skin)
        list_near(p, x, p->side, SKIN + shrunk);
}

/* Contacts and net forces of particles at x in a box stretched by `stretch`; returns the energy.
 * `slope` receives the slope by x, `virial` the sum of force times distance. */
static inline double touch(Packing *p, Contacts *all, const double *x, double stretch,
                           double *slope, double *virial, const int d)
{
    const double *a = p->diameters;
    double energy = 0, sum = 0, overlap = 0, side = p->side, back = 1 / side;
    memset(slope, 0, (size_t)p->n * d * sizeof(double));
    all->count = 0;
    if (all->room < p->near.count) {
        int room = p->near.count + p->n;
        all->at = grown(all->at, room * sizeof(Contact), &p->failed);
        if (p->failed)
            return 0;
        all->room = room;
    }
    for (int k = 0; k < p->near.count; k++) {
        int i = p->near.i[k], j = p->near.j[k];
        double s = 0.5 * (a[i] + a[j]), r2 = 0;
        Contact *c = all->at + all->count;
        for (int e = 0; e < d; e++) {
            double w = x[j * d + e] - x[i * d + e];
            /* Far apart in coordinates only across the boundary. */
            if (w > 0.5 * side || w < -0.5 * side)
                w -= side * rint(w * back);
            w *= stretch;
            c->t[e] = w;
            r2 += w * w;
        }
        if (r2 >= s * s)
            continue;
        double r = sqrt(r2);
        /* Centres that coincide have no direction; a random start never does that in practice. */
        r = r > 1e-300 ? r : 1e-300;
        double over = 1 - r / s, force = over / s, back_r = 1 / r;
        overlap += over;
        energy += 0.5 * over * over;
        sum += force * r;
        for (int e = 0; e < d; e++) {
            double t = c->t[e] * back_r, f = force * stretch * t;
            c->t[e] = t;
            slope[i * d + e] += f;
            slope[j * d + e] -= f;
        }
        c->i = i;
        c->j = j;
        c->r = r;
        c->force = force;
        c->along = 1 / (s * s);
        c->across = -force * back_r;
        all->count++;
    }
    all->overlap = overlap;
    *virial = sum;
    return energy;
}

/* Enthalpy counted from the present volume, and its slope by positions and by the box. */
static double enthalpy(Packing *p, Contacts *c, const double *x, double strain, double *slope)
{
    double virial = 0, energy, volume = p->side * p->side, gain = 2 * strain + strain * strain;
    double stretch = 1 + strain;
    refresh(p, x, stretch);
    if (p->d == 2) {
        energy = touch(p, c, x, stretch, slope, &virial, 2);
    } else {
        volume *= p->side;
        gain = 3 * strain + 3 * strain * strain + strain * strain * strain;
        energy = touch(p, c, x, stretch, slope, &virial, 3);
    }
    double *box = slope + (size_t)p->n * p->d;
    *box = 0;
    if (!p->free_box)
        return energy;
    *box = (p->d * p->pressure * volume * (1 + gain) - virial) / (stretch * p->weight);
    return energy + p->pressure * volume * gain;
}

/* out = H v, with H the second derivatives of the enthalpy in the contacts of the present state. */
static inline void curve(const Packing *p, const Contacts *all, const double *v, double *out,
                         const int d)
{
    size_t size = (size_t)p->n * d;
    double strain = p->free_box ? v[size] / p->weight : 0, sum = 0;
    memset(out, 0, size * sizeof(double));
    for (int q = 0; q < all->count; q++) {
        const Contact *c = all->at + q;
        const double *vi = v + c->i * d, *vj = v + c->j * d;
        double *oi = out + c->i * d, *oj = out + c->j * d;
        double w[3], a = 0, mixed = c->along * c->r - c->force;
        for (int e = 0; e < d; e++) {
            w[e] = vj[e] - vi[e];
            a += c->t[e] * w[e];
        }
        double pull = (c->along - c->across) * a + mixed * strain;
        for (int e = 0; e < d; e++) {
            double h = pull * c->t[e] + c->across * w[e];
            oj[e] += h;
            oi[e] -= h;
        }
        sum += mixed * a + c->along * c->r * c->r * strain;
    }
    out[size] = 0;
    if (p->free_box) {
        double volume = d == 2 ? p->side * p->side : p->side * p->side * p->side;
        out[size] = (sum + d * (d - 1) * p->pressure * volume * strain) / p->weight;
    }
}

static double dot(const double *a, const double *b, size_t size)
{
    double s[4] = {0, 0, 0, 0};
    size_t k = 0;
    for (; k + 4 <= size; k += 4)
        for (int e = 0; e < 4; e++)
            s[e] += a[k + e] * b[k + e];
    for (; k < size; k++)
        s[0] += a[k] * b[k];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* Truncated conjugate gradients for H step = -slope within `radius` (T. Steihaug, SIAM J. Numer.
 * Anal. 20, 626 (1983)). Returns the decrease that the quadratic model predicts. */
static double steihaug(const Packing *p, const Contacts *c, const double *slope, double radius,
                       double enough, double *step, double *work, int *edge)
{
    size_t size = (size_t)p->n * p->d + 1;
    double *r = work, *q = work + size, *h = work + 2 * size;
    double rr = dot(slope, slope, size), ss = 0, sq = 0, qq = rr, gain = 0, stop = enough * enough * rr;
    *edge = 0;
    memset(step, 0, size * sizeof(double));
    for (size_t k = 0; k < size; k++) {
        r[k] = slope[k];
        q[k] = -slope[k];
    }
    for (size_t turn = 0; turn < 2 * size + 20 && rr > stop; turn++) {
        if (p->d == 2)
            curve(p, c, q, h, 2);
        else
            curve(p, c, q, h, 3);
        double bend = dot(q, h, size);
        double alpha = bend > 0 ? rr / bend : 0;
        if (bend <= 1e-14 * qq || ss + 2 * alpha * sq + alpha * alpha * qq >= radius * radius) {
            double root = sqrt(sq * sq + qq * (radius * radius - ss));
            alpha = sq > 0 ? (radius * radius - ss) / (sq + root) : (root - sq) / qq;
            *edge = 1;
        }
        for (size_t k = 0; k < size; k++) {
            step[k] += alpha * q[k];
            r[k] += alpha * h[k];
        }
        gain += alpha * rr - 0.5 * alpha * alpha * bend;
        if (*edge)
            break;
        ss += 2 * alpha * sq + alpha * alpha * qq;
        double fresh = dot(r, r, size), beta = fresh / rr;
        sq = beta * (sq + alpha * qq);
        qq = fresh + beta * beta * qq;
        rr = fresh;
        for (size_t k = 0; k < size; k++)
            q[k] = beta * q[k] - r[k];
    }
    return gain;
}

static void wrap(double *x, size_t size, double side)
{
    for (size_t k = 0; k < size; k++) {
        x[k] -= side * floor(x[k] / side);
        /* Rounding may give exactly the side, which is outside the half-open box. */
        if (x[k] >= side || x[k] < 0)
            x[k] = 0;
    }
}

/* The present state: y is the positions and the box's strain times `weight`. */
typedef struct {
    double *y, *slope, value;
    Contacts contacts;
} State;

static void evaluate(Packing *p, State *at)
{
    at->value = enthalpy(p, &at->contacts, at->y, at->y[(size_t)p->n * p->d] / p->weight, at->slope);
}

/* Makes the stretched box the one that strain is counted from. */
static void rebase(Packing *p, State *at)
{
    size_t size = (size_t)p->n * p->d;
    double stretch = 1 + at->y[size] / p->weight;
    for (size_t k = 0; k < size; k++) {
        at->y[k] *= stretch;
        p->near.origin[k] *= stretch;
    }
    p->side *= stretch;
    p->near.stretch *= stretch;
    p->near.skin *= stretch;
    at->y[size] = 0;
    evaluate(p, at);
}

/* Largest force left, over the mean contact force; and the least that rounding allows. */
static double imbalance(const Packing *p, const State *at, double *least)
{
    size_t size = (size_t)p->n * p->d;
    const Contacts *all = &at->contacts;
    double most = fabs(at->slope[size]) * p->weight / p->n, mean = 0;
    for (size_t k = 0; k < size; k++)
        most = fabs(at->slope[k]) > most ? fabs(at->slope[k]) : most;
    *least = 0;
    if (!all->count)
        return p->free_box ? 1e300 : 0;
    for (int q = 0; q < all->count; q++)
        mean += all->at[q].force;
    *least = 4 * 2.3e-16 * p->side * all->count / all->overlap;
    return most * all->count / mean;
}

/* Quasi-Newton steps with limited memory (J. Nocedal, Math. Comp. 35, 773 (1980)); step lengths by
 * bisection to the weak Wolfe conditions. Returns with the best state in `now`. */
static void lbfgs(Packing *p, State *now, State *next, double *work, int steps, double enough)
{
    size_t size = (size_t)p->n * p->d + 1;
    double *step = work, *s = work + size, *g = s + MEMORY * size, inverse[MEMORY], a[MEMORY], least;
    int kept = 0, newest = -1;
    for (int turn = 0; turn < steps && !p->failed; turn++) {
        if (imbalance(p, now, &least) <= enough)
            return;
        for (size_t k = 0; k < size; k++)
            step[k] = -now->slope[k];
        for (int m = 0; m < kept; m++) {
            int at = (newest - m + MEMORY) % MEMORY;
            a[at] = inverse[at] * dot(s + at * size, step, size);
            for (size_t k = 0; k < size; k++)
                step[k] -= a[at] * g[at * size + k];
        }
        if (kept) {
            const double *last = g + newest * size;
            double scale = 1 / (inverse[newest] * dot(last, last, size));
            for (size_t k = 0; k < size; k++)
                step[k] *= scale;
        }
        for (int m = kept - 1; m >= 0; m--) {
            int at = (newest - m + MEMORY) % MEMORY;
            double b = a[at] - inverse[at] * dot(g + at * size, step, size);
            for (size_t k = 0; k < size; k++)
                step[k] += b * s[at * size + k];
        }
        double down = dot(now->slope, step, size), low = 0, high = 0, length = 0, t = 1;
        for (size_t k = 0; k < size; k++)
            length = fabs(step[k]) > length ? fabs(step[k]) : length;
        if (length > 0.2)
            t = 0.2 / length;
        int tries = 0;
        for (; tries < 30; tries++) {
            for (size_t k = 0; k < size; k++)
                next->y[k] = now->y[k] + t * step[k];
            if (next->y[size - 1] <= -0.3 * p->weight) {
                high = t;
                t = 0.5 * (low + high);
                continue;
            }
            evaluate(p, next);
            double ahead = dot(next->slope, step, size);
            /* Near rounding of the energy slopes tell more. */
            int lower = next->value <= now->value + 1e-3 * t * down ||
                        (ahead <= -0.8 * down && next->value <= now->value + 1e-12 * fabs(now->value));
            if (!lower)
                high = t;
            else if (ahead < 0.9 * down)
                low = t;
            else
                break;
            t = high > 0 ? 0.5 * (low + high) : 2 * t;
        }
        if (tries == 30 || down >= 0) {
            if (!kept)
                return;
            kept = 0; /* forget, and go down the slope */
            continue;
        }
        newest = (newest + 1) % MEMORY;
        double *ds = s + newest * size, *dg = g + newest * size;
        for (size_t k = 0; k < size; k++) {
            ds[k] = next->y[k] - now->y[k];
            dg[k] = next->slope[k] - now->slope[k];
        }
        inverse[newest] = 1 / dot(ds, dg, size);
        kept = kept < MEMORY ? kept + 1 : MEMORY;
        State swap = *now;
        *now = *next;
        *next = swap;
    }
}

/* Newton steps in a trust region; returns the imbalance that is left. */
static double newton(Packing *p, State *now, State *next, double *work, double tolerance)
{
    size_t size = (size_t)p->n * p->d + 1;
    double *step = work, widest = 0.1 * sqrt((double)size), error = 0, best = 1e300, was = 1e300, radius = -1;
    for (int turn = 0; !p->failed; turn++) {
        double least;
        int edge;
        error = imbalance(p, now, &least);
        if (error <= (tolerance > least ? tolerance : least))
            break;
        best = error < best ? error : best;
        if (turn % 15 == 14) { /* so slow a descent is left to cheaper steps */
            if (best > 0.5 * was)
                break;
            was = best;
        }
        if (radius < 0)
            radius = 0.02 * error * sqrt((double)size);
        radius = radius < widest ? radius : widest;
        double forcing = sqrt(error) < 0.1 ? sqrt(error) : 0.1;
        double model = steihaug(p, &now->contacts, now->slope, radius, forcing, step, work + size,
                                &edge);
        double length = sqrt(dot(step, step, size)), ratio = -1;
        if (model > 0 && step[size - 1] > -0.3 * p->weight) {
            for (size_t k = 0; k < size; k++)
                next->y[k] = now->y[k] + step[k];
            evaluate(p, next);
            double got = now->value - next->value;
            /* Where energies differ by rounding: from the slopes, exact for a quadratic. */
            if (fabs(got) < 1e-6 * fabs(now->value))
                got = -0.5 * (dot(now->slope, step, size) + dot(next->slope, step, size));
            ratio = got / model;
        }
        if (ratio < 0.25)
            radius = 0.25 * length;
        else if (ratio > 0.75 && edge)
            radius *= 2;
        if (ratio > 1e-3) {
            State swap = *now;
            *now = *next;
            *next = swap;
            rebase(p, now);
        } else if (length < 1e-15 * p->side) {
            break;
        }
    }
    return error;
}

/* Brings particles down the enthalpy (the energy where the box is not free) until no force is
 * above `tolerance` times the mean contact force, or what rounding allows. `steps` quasi-Newton
 * steps at most are made; Newton's method finishes when `tolerance` is below 1e-2. Returns the
 * largest force left over the mean contact force, or -1 when out of memory. */
double mechlearn_relax(int n, int d, double *x, double *side, const double *diameters,
                       double pressure, int free_box, double tolerance, int steps)
{
    size_t size = (size_t)n * d + 1;
    Packing p = {n, d, free_box, *side, diameters, pressure, sqrt(2.0 * d * n)};
    State now = {0}, next = {0};
    double *room = malloc((6 + 2 * MEMORY) * size * sizeof(double)), error = -1, least;
    p.near.origin = malloc(size * sizeof(double));
    if (!room || !p.near.origin) {
        p.failed = 1;
        goto end;
    }
    now.y = room;
    now.slope = room + size;
    next.y = room + 2 * size;
    next.slope = room + 3 * size;
    double *work = room + 4 * size;
    wrap(x, size - 1, p.side);
    memcpy(now.y, x, (size - 1) * sizeof(double));
    now.y[size - 1] = 0;
    list_near(&p, x, p.side, SKIN);
    evaluate(&p, &now);
    error = imbalance(&p, &now, &least);
    double enough = tolerance > 1e-2 ? tolerance : 1e-2;
    for (int spent = 0; !p.failed && spent < steps && error > tolerance; spent += ROUND) {
        lbfgs(&p, &now, &next, work, ROUND < steps - spent ? ROUND : steps - spent, enough);
        rebase(&p, &now);
        error = imbalance(&p, &now, &least);
        if (tolerance >= 1e-2 || error > 10 * enough)
            continue;
        error = newton(&p, &now, &next, work, tolerance);
        imbalance(&p, &now, &least);
        if (error <= least)
            break;
        enough *= 0.1;
    }
    memcpy(x, now.y, (size - 1) * sizeof(double));
    wrap(x, size - 1, p.side);
end:
    if (p.failed)
        error = -1;
    *side = p.side;
    free(room);
    free(p.near.origin);
    free(p.near.i);
    free(p.near.j);
    free(now.contacts.at);
    free(next.contacts.at);
    return error;
}

/* Pairs closer than contact plus `skin`, lower id first: their number, of which `room` are kept. */
int mechlearn_near(int n, int d, const double *x, double side, const double *diameters, double skin,
                   int *pairs, int room)
{
    Packing p = {.n = n, .d = d, .side = side, .diameters = diameters};
    p.near.origin = malloc((size_t)n * d * sizeof(double));
    if (p.near.origin)
        list_near(&p, x, side, skin);
    int count = p.failed || !p.near.origin ? -1 : p.near.count;
    for (int k = 0; k < count && k < room; k++) {
        pairs[2 * k] = p.near.i[k];
        pairs[2 * k + 1] = p.near.j[k];
    }
    free(p.near.origin);
    free(p.near.i);
    free(p.near.j);
    return count;
}

/* Grows a ball at y under a pressure that falls until it overlaps the balls around it by `overlap`
 * on average, if d + 1 hold it: down the enthalpy, by steps along the slope. */
void mechlearn_swell(int count, int d, const double *centres, const double *radii, double overlap,
                     double *y, double *radius)
{
    double push = 0.05;
    for (int level = 0; level < 40; level++) {
        push = push > overlap ? push : overlap;
        for (int turn = 0; turn < 200; turn++) {
            double slope[3] = {0, 0, 0}, sum = 0;
            for (int k = 0; k < count; k++) {
                double v[3], r2 = 0;
                for (int e = 0; e < d; e++) {
                    v[e] = y[e] - centres[k * d + e];
                    r2 += v[e] * v[e];
                }
                double r = r2 > 0 ? sqrt(r2) : 1e-300, over = *radius + radii[k] - r;
                if (over <= 0)
                    continue;
                sum += over;
                for (int e = 0; e < d; e++)
                    slope[e] += over * v[e] / r;
            }
            *radius += 0.1 * ((d + 1) * push - sum);
            for (int e = 0; e < d; e++)
                y[e] += 0.1 * slope[e];
        }
        if (push <= overlap)
            break;
        push *= 0.5;
    }
}
