r"""Pairs of expressions and whether Math-Verify holds them for equal.

Facts from its public tests (github.com/huggingface/Math-Verify, tests/test_all.py and tests/test_yujianll.py, MIT), where a
pair is short and uses the default settings; the gold stands before the answer. Left out is what only a later release than
0.9.0 gets right. All pairs of the installed release are run by bench/grading.py, which fetches them.
"""

EQUAL = r"""
-5 | -5
7425000 | 7,425,000
1000 | 1 000
1000 | 1000.0
1000.0 | 1,000.0
1000.99 | 1000,99
1,22 | 1.22
0.4 | .4
1000.99 | 1,000.99
1000.99 | $1,000.99
1000.99 | the number is not 10 which is 1,000.99€
1000.99 | so the number is 10 which is 1,000.99m²
0,111 | 0.111
10/9 | \frac{10}{9}
-10/9 | -\frac{10}{9}
$[0,1)$ | $[0,1)$
$9$ | Answer \[ 9 \]
$9$ | Answer $ 9 $
$9$ | Answer $$ 9 $$
$9$ | Answer \( 9 \)
$10$ | Answer \( (9+1) \)
$1/3$ | $\frac13 $
$1$ | $\frac3{3} $
$\sqrt{3}$ | $\sqrt3 $
$1/3$ | $\cfrac{1}{3} $
$1/3$ | $\dfrac{1}{3} $
$1/3$ | $\tfrac{1}{3} $
$1/3$ | $ 1/3 $
$1/3$ | $\left( \frac{1}{3} \right)$
$1/3$ | $\boxed{\frac{1}{3}}$
$1/3$ | $\frac{1}{3} \text{meters}$
$1/3$ | $\frac{1}{3} \textbf{meters}$
$1/3$ | $k = \frac{1}{3}$
$28\%$ | 28 percent
$28\%$ | 28 pct
$28\%$ | 28 %
$28\%$ | $28$ %
$28\%$ | $28$ percent
$28\%$ | $\boxed{28}$ pct
$28\%$ | 28
$x >= 5$ | Therefore $x \geq 5$ is the solution.
$x < 3$ | We find that $x \lt 3$.
$x \leq 2$ | Thus $x <= 2$ is our answer.
$x > 5$ | Therefore $x \gt 5$ is the solution.
$x != 3$ | We find that $x \neq 3$.
$x \leq 5$ | $5 \geq x$
$x \geq 5$ | $5 \leq x$
$x = 11$ | $x = 5+5+1 = 7 =11$
$x = 1/3$ | $x = 5+5+1 = 1/3 \approx 11$
$11$ | $x=11$
$11$ | $x\approx11$
$1/3$ | $x=1/3\approx1.3$
$x < 1$ | $-x > -1$
$x <= 1$ | $-x >= -1$
$k=1$ | $1$
$1$ | $k=1$
$z = 1 + 1 = 2$ | $z = 3+3 = 2$
$2x+4y-3=0$ | $y=-\frac{1}{2}x+\frac{3}{4}$
$x^2/4 + y^2/3 = 1$ | $x^2/16 + y^2/12 = 1/4$
$\begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix}$ | $ \begin{pmatrix}1 & 0 \\ 0 & 1\end{pmatrix} $
$\begin{bmatrix}0 & 0 \\0 & 0\end{bmatrix}$ | $ \begin{pmatrix}0 & 0 \\0 & 0\end{pmatrix} $
$\begin{pmatrix}1 & 2 \\3 & 4\end{pmatrix}$ | $ \left[\begin{array}{cc}1 & 2 \\3 & 4\end{array}\right] $
$\begin{pmatrix}6 & 8 \\ 10 & 12\end{pmatrix}$ | $\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix} + \begin{pmatrix}5 & 6 \\ 7 & 8\end{pmatrix}$
$\frac{1}{12}$ | $0.0833333333333333$
$(1,\frac{9}{2})$ | $(1,4.5)$
$\frac{x+2}{7}$ | $\frac{x}{7}+\frac{2}{7}$
$\tan^2(y)+1$ | $\sec^2(y)$
$34x+45y-20z+100=0$ | $-34x-45y+20z-100=0$
$\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{15+2\sqrt{33}}$ | $\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{2\sqrt{33}+15}$
$1 \pm \sqrt{19}$ | $x = \boxed{1 \pm \sqrt{19}}.$
$\{1\pm\sqrt{5},-2\}$ | so the answer is $\boxed{\{1\pm\sqrt{5},-2\}}.$
$f(2) < f(1) < f(4)$ | Hence, $\boxed{f(2) < f(1) < f(4)}.$
$2 \sin b \cos a$ | $\boxed{2 \sin b \cos a}$
$125$ miles | The distance is $\boxed{125\textnormal{ miles}}.$
$\sqrt{2}+\sqrt{5}$ | The answer is $\boxed{\sqrt 2+\sqrt 5}$
$\frac{9}{4}\pi$ | Therefore $\boxed{\frac94\pi}$.
$(1,3)$ | ${1,3}$
$34$ | Final Answer: The largest $n$ is 34.
$\text{E}$ | $E$
\(\boxed{\text{C}}\). | $\boxed{\text{(C)}}.$
\[ \boxed{32349} \] | is $\boxed{32,\! 349}$
$42$ | $42.$
$n=1, 2, 3$ | $n=1, 2, 3$
$D = (0, 1)$ | $D = (0, 1)$
$F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}$ | $F_n = \sum_{k=0}^{n-1} F_{n-k-1} F_k$
$19, 46, and 82$ | $19, 46, \text{ and } 82$
$1 - \frac{1}{\mathrm{e}}$ | $1 - \frac{1}{\mathrm{e}}$
$\pm 2021$ | ${-2021, 2021}$
$12:00$ | $12:00$
"""

DIFFERENT = r"""
2 | AZYUK2A
$[0,9)$ | $[0,1)$
$(0,9)$ | $[0,9)$
$1$ | $-[0,1)$
$0.28$ | 28
$28/100$ | 28
$28$ | 28/100
$\frac{28}{100}$ | 28
$x > 5$ | Therefore $x < 5$ is the solution.
$x \geq 5$ | The solution is $x \leq 5$
$7 = 11a+c$ | $11a+c$
$x < 1$ | $x > -1$
$a +3z = 0$ | $0$
$2x + z = 1$ | $1$
$a^2 + b = 0$ | $0$
$\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}$ | The matrix is $\begin{pmatrix}1 & 2 \\ 3 & 5\end{pmatrix}$
$(a+5)(b+2)$ | $(+5)(b+2)$
$2$ | $\frac{1+\sqrt{5}}{2}$
$4$ | $\frac{34}{16}+\frac{\sqrt{1358}}{16}$
$1\sqrt{19}$ | $1$
$x+2n+1$ | $x+1$
$(3,1)$ | ${1,3}$
\[ \boxed{32349} \] | is $\boxed{32, 349}$
$4$ | $4\sqrt{2}$
$1, 2, 3$ | $1, 2, 3, ...$
$n=2, 3, 4$ | $n=1, 2, 3$
$D = (0, 1)$ | $D = (0, 1.5)$
$F_n = \sum_{k=0}^{n-1} F_k F_{n-k-1}$ | $F_n = \sum_{k=0}^{n-2} F_k F_{n-k-2}$
$19, 46, and 82$ | $21, 36, and 82$
$\pm 2021$ | $2021$
$12:00$ | $1:00$
$x \in [-2,7]$ | $-2 \le x \le 7$
"""


def pairs(table: str) -> list[tuple[str, str]]:
    return [(gold, answer) for line in table.strip().splitlines() for gold, answer in [line.split(" | ")]]
