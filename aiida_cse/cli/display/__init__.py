"""Tables, trees and live progress in the terminal."""
