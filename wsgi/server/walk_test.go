package server

import "testing"

// BenchmarkHello is one small request after the other on one connection. tests/walk_test.go looks which files
// it goes through.
func BenchmarkHello(b *testing.B) {
	once := quickHello(b, serveFake(b, testSettings(), nil))
	for b.Loop() {
		once()
	}
}
