// The logarithm and the exponential, since nothing but the standard library is imported here. Exact to about
// 1e-15 of the result: more than timeouts and suspicion levels need, and the same on every machine.

/// The natural logarithm of a finite number above zero.
func naturalLogarithm(_ value: Double) -> Double {
    // ln(m 2^e) = ln m + e ln 2, and ln m = 2 artanh((m - 1) / (m + 1)).
    var (mantissa, exponent) = (value.significand, Double(value.exponent))
    if mantissa > 1.4142135623730951 { (mantissa, exponent) = (mantissa / 2, exponent + 1) }
    let ratio = (mantissa - 1) / (mantissa + 1)
    let square = ratio * ratio
    var (power, sum) = (ratio, 0.0)
    for odd in stride(from: 1.0, through: 25, by: 2) {
        sum += power / odd
        power *= square
    }
    return 2 * sum + exponent * 0.6931471805599453
}

/// The logarithm to base 2 of a finite number above zero.
func binaryLogarithm(_ value: Double) -> Double { naturalLogarithm(value) / 0.6931471805599453 }

/// e to the power of a number; zero far below, and held at e^700 above.
func exponential(_ value: Double) -> Double {
    if value < -700 { return 0 }
    let value = min(value, 700)
    let whole = (value / 0.6931471805599453).rounded()
    let rest = value - whole * 0.6931471805599453
    var (term, sum) = (1.0, 1.0)
    for step in 1...16 {
        term *= rest / Double(step)
        sum += term
    }
    return sum * Double(sign: .plus, exponent: Int(whole), significand: 1)
}
